"""A kernel module of our own that gives a kernel without CONFIG_IKHEADERS its ``/sys/kernel/kheaders.tar.xz``."""
