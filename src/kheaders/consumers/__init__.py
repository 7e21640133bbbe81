"""Tools that compile for BPF by themselves, and what makes them use what kheaders verified."""
