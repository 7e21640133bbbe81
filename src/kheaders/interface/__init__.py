"""The blob: a kernel's whole C interface in one file, and the slice of it that a program needs."""
