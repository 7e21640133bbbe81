"""Virtual machines that run Debian's stock kernels: kernels, a root file system, qemu, and what runs inside.

Everything comes from Debian's archive and PyPI and lies in ``~/.cache/kheaders-tests``; nothing is installed on the
host but qemu itself (``.ci/tools``).
"""
