"""Compilers that emit BPF: clang and zig; found, probed, and run: Job → Result."""
