"""Where systems keep what belongs to one kernel: the directories of its modules, and its image.

All paths are as the examined system sees them; :func:`kheaders.sysroot.resolve` finds them below a sysroot.
"""

from __future__ import annotations

MODULES = (
    "/lib/modules",
    "/usr/lib/modules",  # where /lib is no link to it; ostree
    "/run/booted-system/kernel-modules/lib/modules",  # NixOS: the kernel that runs, then that of the next boot
    "/run/current-system/kernel-modules/lib/modules",
    "/run/booted-system/kernel/lib/modules",  # Guix
    "/run/current-system/kernel/lib/modules",
)
"""Directories with a directory for each kernel: modules, ``build``, often image and configuration."""

_IMAGES = (
    "/boot/vmlinuz-{release}",
    "{modules}/{release}/vmlinuz",  # Fedora and its kin, Arch, ostree
    "/boot/vmlinux-{release}",
    "/usr/lib/debug/boot/vmlinux-{release}",
    "/usr/lib/debug/lib/modules/{release}/vmlinux",
    "/boot/Image-{release}",
    "{modules}/{release}/build/vmlinux",
    "/boot/bzImage-{release}",
    "/run/booted-system/kernel",  # NixOS
    "/run/current-system/kernel",
    "/run/booted-system/kernel/bzImage",  # Guix
    "/run/booted-system/kernel/Image",
    "/run/current-system/kernel/bzImage",
    "/run/current-system/kernel/Image",
)
_CONFIGURATIONS = (
    "/boot/config-{release}",
    "{modules}/{release}/config",
    "{modules}/{release}/build/.config",
    "{modules}/{release}/build/include/config/auto.conf",
    "/usr/src/linux-headers-{release}/.config",
)


def modules(release: str) -> tuple[str, ...]:
    """Directories where the modules of the kernel *release* may lie, in the order of asking."""
    return tuple(f"{base}/{release}" for base in MODULES)


def images(release: str) -> tuple[str, ...]:
    """Files where distributions and the kernel's own ``make install`` put the image, small ones first."""
    return _filled(_IMAGES, release)


def configurations(release: str) -> tuple[str, ...]:
    """Files where the configuration may lie, in the order of asking; each is trusted by its name alone."""
    return _filled(_CONFIGURATIONS, release)


def _filled(patterns: tuple[str, ...], release: str) -> tuple[str, ...]:
    bases = {pattern: MODULES if "{modules}" in pattern else ("",) for pattern in patterns}
    return tuple(pattern.format(modules=base, release=release) for pattern in patterns for base in bases[pattern])
