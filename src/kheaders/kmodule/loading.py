"""The module loaded into the running kernel and removed again, with the reason where that fails."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from kheaders.errors import ModuleError, ToolFailed, ToolMissing
from kheaders.kernel import Kernel
from kheaders.kmodule import facts
from kheaders.run import run, which
from kheaders.sysroot import resolve

_TIMEOUT = 60.0
_CAP_SYS_MODULE = 16
"""include/uapi/linux/capability.h"""
_FIRST = 4096


def may_load() -> bool:
    """Whether this process has CAP_SYS_MODULE."""
    for line in _text(Path("/"), "/proc/self/status").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_MODULE & 1)
    return os.geteuid() == 0


def is_loaded(sysroot: Path, name: str = facts.NAME) -> bool:
    """Whether /proc/modules lists the module (proc_modules(5): its name is the first word of a line)."""
    return any(line.split(" ", 1)[0] == name for line in _text(sysroot, "/proc/modules", None).splitlines())


def is_shown(sysroot: Path) -> bool:
    """Whether the kernel shows an archive, whosever it is."""
    return os.path.exists(resolve(sysroot, facts.SHOWN))


def load(
    kernel: Kernel, path: Path | None, *, tools: str | None = None, allowed: Callable[[], bool] = may_load
) -> bool:
    """Load the module from the file *path*, or the one that is installed. False if it was loaded before.

    Raises ModuleError: for another kernel, no permission, lockdown, a signature that is asked for, a kernel that shows
    an archive already; ToolMissing. *tools* is where insmod is looked for.
    """
    _only_here(kernel)
    root = kernel.sysroot
    if is_loaded(root):
        return False
    if is_shown(root):
        raise ModuleError(f"{facts.SHOWN}: is there already, of the kernel's own", "nothing to do: read that one")
    if path is None:
        path = facts.installed(facts.modules_directory(kernel))
        if path is None:
            raise ModuleError(
                f"the module {facts.NAME} is not installed for {kernel.release}",
                "kheaders module build, then kheaders module install, or name the file",
            )
    module = facts.examine(path)
    if module.release != kernel.release:
        raise ModuleError(
            f"{path}: belongs to kernel {module.release}, and {kernel.release} runs",
            "build it for this kernel: kheaders module build",
        )
    _check_allowed(root, allowed, "load")
    try:
        run([_tool("insmod", tools), path], timeout=_TIMEOUT)
    except ToolFailed as error:
        if is_loaded(root):
            return False  # somebody else was quicker
        raise refusal(error.log, path, _text(root, "/sys/kernel/security/lockdown")) from error
    if not is_shown(root):
        raise ModuleError(f"{facts.NAME}: is loaded, but {facts.SHOWN} is not there", "see dmesg for the reason")
    return True


def unload(kernel: Kernel, *, tools: str | None = None, allowed: Callable[[], bool] = may_load) -> bool:
    """Remove the module. False if it was not loaded. Raises ModuleError where it is in use or nobody may; ToolMissing.

    Whoever is reading the archive is waited for.
    """
    _only_here(kernel)
    if not is_loaded(kernel.sysroot):
        return False
    _check_allowed(kernel.sysroot, allowed, "unload")
    try:
        run([_tool("rmmod", tools), facts.NAME], timeout=_TIMEOUT)
    except ToolFailed as error:
        if not is_loaded(kernel.sysroot):
            return False
        last = _last(error.log)
        if "in use" in error.log or "temporarily unavailable" in error.log:
            raise ModuleError(
                f"{facts.NAME}: is in use and cannot be removed", "end what uses it, then again"
            ) from error
        raise ModuleError(f"{facts.NAME}: cannot be removed: {last}", "see dmesg for the reason") from error
    return True


def refusal(log: str, path: Path, lockdown: str) -> ModuleError:
    """Why the kernel did not take the module, by what insmod printed: it names the errno of finit_module(2)."""
    last = _last(log)
    if "Key was rejected" in log or "Required key not available" in log or "Key has " in log:
        return ModuleError(
            f"{path}: the kernel asks for a signature that it trusts ({last})", "sign it: docs/module.md"
        )
    if "not permitted" in log:
        if "[integrity]" in lockdown or "[confidentiality]" in lockdown:
            return ModuleError(
                f"{path}: the kernel is locked down and takes no unsigned module", "sign it: docs/module.md"
            )
        return ModuleError(f"{path}: the kernel permits no module to be loaded ({last})", "see dmesg for the reason")
    if "Invalid module format" in log or "Unknown symbol" in log:
        return ModuleError(
            f"{path}: was built against headers that are not of the kernel that runs ({last})",
            "build it against this kernel's own headers; dmesg tells what differs",
        )
    if "File exists" in log:
        return ModuleError(f"{facts.SHOWN}: is there already", "look whose it is: kheaders module status")
    return ModuleError(f"{path}: cannot be loaded: {last}", "see dmesg for the reason")


def _only_here(kernel: Kernel) -> None:
    if not kernel.running:
        raise ModuleError(f"kernel {kernel.release} does not run here", "leave out --kernel")


def _check_allowed(root: Path, allowed: Callable[[], bool], what: str) -> None:
    if not allowed():
        raise ModuleError(f"only root (CAP_SYS_MODULE) may {what} modules", "run as root")
    if _text(root, "/proc/sys/kernel/modules_disabled").strip() == "1":
        raise ModuleError(
            f"no module can be {what}ed until the next boot (kernel.modules_disabled)", "reboot without it"
        )


def _tool(name: str, tools: str | None) -> Path:
    found = which(name, tools) or (which(name, "/usr/sbin:/sbin") if tools is None else None)
    if found is None:
        raise ToolMissing(f"{name}: no such program", "install kmod")
    return found


def _last(log: str) -> str:
    lines = log.strip().splitlines()
    return lines[-1].strip() if lines else "no message"


def _text(root: Path, path: str, limit: int | None = _FIRST) -> str:
    try:
        with open(resolve(root, path), "rb") as file:
            return file.read(-1 if limit is None else limit).decode("utf-8", "replace")
    except OSError:
        return ""
