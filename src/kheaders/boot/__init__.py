"""What a system does at boot so that headers are ready when they are first asked for."""
