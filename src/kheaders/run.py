"""The only door to other programs: argument lists, a fixed locale, no shell, no child that outlives the call."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kheaders.errors import ToolFailed, ToolMissing, ToolTimeout

if TYPE_CHECKING:
    import subprocess

DEFAULT_TIMEOUT = 600.0
"""Seconds after which a child is stopped, unless the caller says otherwise."""

_PIPE = 1 << 20
"""Bytes that a program which runs may print before they are read."""


class Completed(NamedTuple):
    """What became of one run: the command, its exit status and its output."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def command(self) -> str:
        """The command as a line that a shell can replay."""
        import shlex

        return shlex.join(self.argv)

    @property
    def errors(self) -> str:
        """Standard error as text."""
        return self.stderr.decode("utf-8", "replace")


def which(name: str, path: str | None = None) -> Path | None:
    """The absolute path of the program *name* on ``PATH`` (or *path*), or None."""
    if "/" in name:
        return Path(name).absolute() if os.path.isfile(name) and os.access(name, os.X_OK) else None
    import shutil  # slow to import, as subprocess is, and most calls of kheaders need neither

    found = shutil.which(name, path=path)
    return Path(found).absolute() if found else None


def environment(extra: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """*environ* (by default this process's environment) with a fixed locale, and *extra* on top."""
    found = os.environ if environ is None else environ
    env = {k: v for k, v in found.items() if not k.startswith("LC_") and k not in ("LANG", "LANGUAGE")}
    env["LC_ALL"] = "C.UTF-8"
    if extra:
        env.update(extra)
    return env


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    input: bytes | None = None,
    output: int | None = None,
    env: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    pass_fds: Sequence[int] = (),
    check: bool = True,
) -> Completed:
    """Run *argv* to its end and return what it printed.

    *env* is added to :func:`environment` of *environ*. Without *input* the child's standard input is empty; with
    *output*, a descriptor, its standard output goes there. The child leads a process group of its own, which is killed
    if it overruns *timeout* (seconds) or if the caller is interrupted.

    Raises ToolMissing if there is no such program, ToolTimeout, and with *check* ToolFailed on a status other than 0.
    """
    with started(
        argv, input=input, output=output, env=env, environ=environ, cwd=cwd, timeout=timeout, pass_fds=pass_fds
    ) as finish:
        done = finish()
    if check and done.returncode != 0:
        last = done.errors.strip().splitlines()[-1:] or ["no message"]
        status = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
        raise ToolFailed(f"{done.argv[0]}: ended with {status}: {last[0]}", f"replay: {done.command}", done.errors)
    return done


@contextmanager
def started(
    argv: Sequence[str | os.PathLike[str]],
    *,
    input: bytes | None = None,
    output: int | None = None,
    env: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    pass_fds: Sequence[int] = (),
) -> Iterator[Callable[[], Completed]]:
    """As :func:`run`, in two steps: *argv* runs from now on, and what is yielded waits for its end.

    It is to be called once at most. At the end of the body what is left of the child is killed.
    """
    import subprocess

    pipe = subprocess.PIPE
    words = tuple(os.fspath(a) for a in argv)
    source = pipe if input is not None else subprocess.DEVNULL
    child = _started(words, source, pipe if output is None else output, environment(env, environ), cwd, pass_fds, pipe)

    def finish() -> Completed:
        try:
            out, err = child.communicate(input, timeout)
        except subprocess.TimeoutExpired as error:
            _kill_group(child)
            log = _rest(child)
            raise ToolTimeout(
                f"{words[0]}: did not end within {timeout:g} s", "it was stopped; try again", log
            ) from error
        return Completed(words, child.returncode, out or b"", err)

    with child:
        try:
            yield finish
        finally:
            _kill_group(child)


_PASSED_ON = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT", "SIGALRM")
_KERNELS = 0
"""``si_code`` is above it where the kernel sends a signal: a terminal does to its whole group (sigaction(2))."""


_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def attended(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run *argv* in this process's place at the terminal and return its status: below zero the signal that ended it.

    Its input and output are this process's own, *env* is its whole environment. Signals that others send to this
    process are passed on; SIGKILL, which no process can pass on, is by the kernel. It stays in this process's group,
    where what the terminal sends reaches it by itself.

    Raises ToolMissing if there is no such program.
    """
    import signal
    import subprocess
    import warnings

    passed = {getattr(signal, name) for name in _PASSED_ON}
    waited = {*passed, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    try:
        bound = _bound_to_this_process(before)
        try:
            with warnings.catch_warnings():  # of threads, for none of whose locks the child's two calls wait
                warnings.simplefilter("ignore", DeprecationWarning)
                # descriptors that this process was given are for the tool; all that Python opens are closed on exec
                child = subprocess.Popen(list(argv), env=dict(env), close_fds=False, preexec_fn=bound)
        except FileNotFoundError as error:
            raise ToolMissing(f"{argv[0]}: no such program", "install it or correct PATH") from error
        except (OSError, ValueError) as error:
            raise ToolMissing(f"{argv[0]}: cannot be run ({error})", "check its name and permissions") from error
        while child.poll() is None:
            told = signal.sigwaitinfo(waited)
            if told.si_signo in passed and told.si_code <= _KERNELS:
                os.kill(child.pid, told.si_signo)  # it is there or a zombie: only this process waits for it
        return child.returncode
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _bound_to_this_process(mask: Iterable[int]) -> Callable[[], None]:
    """What a child does before its program starts: set its signal *mask*, and ask to be killed if this process ends.

    The kernel forgets the latter where the program is one that gains rights, as sudo does (prctl(2)).
    """
    import ctypes
    import signal

    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
        if os.getppid() != parent:  # it ended before the kernel was asked
            os.kill(os.getpid(), signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    return bind


class Running:
    """A program that runs; iterating gives what it prints, in pieces as they come."""

    def __init__(self, words: tuple[str, ...], child: subprocess.Popen[bytes], log: int, timeout: float) -> None:
        self._words = words
        self._child = child
        self._log = log
        self._timeout = timeout
        self._end = time.monotonic() + timeout

    def __iter__(self) -> Iterator[bytes]:
        import select

        assert self._child.stdout is not None
        source = self._child.stdout.fileno()
        poll = select.poll()
        poll.register(source)
        while True:
            if not poll.poll(max(0.0, self._end - time.monotonic()) * 1000):
                raise ToolTimeout(
                    f"{self._words[0]}: did not end within {self._timeout:g} s", "it was stopped; try again"
                )
            piece = os.read(source, 1 << 20)
            if not piece:
                return
            yield piece

    def finish(self) -> Completed:
        """Wait for the end; the result has standard error alone. Call it when everything has been read."""
        import subprocess

        try:
            status = self._child.wait(max(0.0, self._end - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            what = f"{self._words[0]}: did not end within {self._timeout:g} s"
            raise ToolTimeout(what, "it was stopped; try again") from error
        return Completed(self._words, status, b"", os.pread(self._log, os.fstat(self._log).st_size, 0))


@contextmanager
def running(
    argv: Sequence[str | os.PathLike[str]],
    *,
    input: bytes = b"",
    environ: Mapping[str, str] | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    pass_fds: Sequence[int] = (),
) -> Iterator[Running]:
    """Run *argv* for the time of the body, which reads what it prints while it comes; at the end of it, it is killed.

    *environ* is as in :func:`run`.

    Raises ToolMissing if there is no such program; the result's methods raise ToolTimeout.
    """
    import fcntl
    import subprocess

    words = tuple(os.fspath(a) for a in argv)
    log, source = os.memfd_create("errors"), os.memfd_create("input")
    try:
        with open(source, "wb", closefd=False) as stream:
            stream.write(input)
        os.lseek(source, 0, os.SEEK_SET)
        with _started(words, source, subprocess.PIPE, environment(None, environ), None, pass_fds, log) as child:
            assert child.stdout is not None
            with suppress(OSError):  # a larger pipe is only for speed: neither waits for each piece of the other's
                fcntl.fcntl(child.stdout, fcntl.F_SETPIPE_SZ, _PIPE)
            try:
                yield Running(words, child, log, timeout)
            finally:
                _kill_group(child)
                child.stdout.close()  # before the wait: what is still in it is not wanted
    finally:
        os.close(log)
        os.close(source)


def _started(
    words: tuple[str, ...],
    source: int,
    output: int,
    env: Mapping[str, str],
    cwd: str | os.PathLike[str] | None,
    pass_fds: Sequence[int],
    log: int,
) -> subprocess.Popen[bytes]:
    """Start a child in a process group of its own; standard error goes to *log*."""
    import subprocess

    try:
        return subprocess.Popen(
            words,
            stdin=source,
            stdout=output,
            stderr=log,
            env=env,
            cwd=cwd,
            pass_fds=tuple(pass_fds),
            process_group=0,
        )
    except FileNotFoundError as error:
        if cwd is not None and not os.path.isdir(cwd):
            raise ToolMissing(
                f"{words[0]}: cannot start in {cwd}, which does not exist", "make that directory"
            ) from error
        raise ToolMissing(f"{words[0]}: no such program", "install it or correct PATH") from error
    except (OSError, ValueError) as error:
        raise ToolMissing(f"{words[0]}: cannot be run ({error})", "check its name and permissions") from error


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the child's process group, also where the child itself has ended."""
    import signal

    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        child.kill()


def _rest(child: subprocess.Popen[bytes]) -> str:
    """What a killed child had printed on standard error; a stranger that holds its pipe open is not waited for."""
    import subprocess

    try:
        _, err = child.communicate(timeout=2)
    except subprocess.TimeoutExpired as error:
        err = error.stderr or b""
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
    return err.decode("utf-8", "replace")
