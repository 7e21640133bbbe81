"""Header sets: read from what sources offer, their identity verified, chosen by the chain."""
