"""All that is printed: lines, JSON, errors, to a terminal, a pipe, a full disk, or nobody."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from kheaders.errors import CompileFailed, HeadersNotFound, KheadersError, StoreError, ToolError

if TYPE_CHECKING:
    from kheaders.headers.chain import Found
    from kheaders.identity import Identity


def whose(kernel: Identity, file: str) -> dict[str, Any]:
    """What an answer in JSON says of the kernel that it is about."""
    return {"release": kernel.release, "srcarch": kernel.srcarch, "from": file}


def source_line(kernel: Identity, file: str) -> str:
    """The kernel that an answer is about, and the file that it is from, for people."""
    return shown(f"kernel {kernel.kernel}, from {file}" if kernel.release else f"from {file}")


def comment(kernel: Identity, file: str) -> str:
    """The same as a line of C."""
    return f"/* {source_line(kernel, file).replace('*/', '* /')} */\n"


def say(text: str) -> None:
    """Print a line on standard output. Raises StoreError where that is full or closed, and BrokenPipeError."""
    _write_out(text + "\n")


def say_words(words: Sequence[str], end: str) -> None:
    """Print each of *words* followed by *end*."""
    _write_out("".join(word + end for word in words))


def say_json(value: object) -> None:
    """Print *value* as indented JSON; bytes of a path that are no UTF-8 come as lone surrogates (``\\udcff``)."""
    import json

    _write_out(json.dumps(value, indent=2) + "\n")


def say_bytes(data: bytes) -> None:
    """Write *data* to standard output as it is."""
    try:
        stream = _stdout()
        stream.flush()
        stream.buffer.write(data)
        stream.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _unwritable(error) from error


def complain(text: str) -> None:
    """Write *text* to standard error as it is; where nobody can read it, nobody can be told of that either."""
    stream = sys.stderr
    if stream is None:
        return
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        pass  # the one who writes to standard output next reports it
    try:
        _write(stream, text)
        stream.flush()
    except (OSError, ValueError):
        pass


def note(text: str) -> None:
    """One line on standard error that is no error."""
    complain(f"kheaders: note: {shown(text)}\n")


def flush() -> None:
    """Make sure that what was printed has arrived. Raises StoreError, BrokenPipeError."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _unwritable(error) from error


def abandon() -> None:
    """Give up on standard output, so that nothing is tried again when the interpreter ends."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError, AttributeError):
        pass  # a stand-in for standard output without a descriptor


def failure(error: KheadersError, *, verbose: int, as_json: bool) -> None:
    """Print an error: the compiler's diagnostics as they are, then one line; with *verbose* what is known besides."""
    if isinstance(error, CompileFailed):
        complain(_ended(error.diagnostics))
    if verbose and isinstance(error, HeadersNotFound):
        complain("".join(f"  {shown(reason)}\n" for reason in error.reasons))
    if verbose and isinstance(error, ToolError):
        complain(_ended(error.log))
    complain(f"kheaders: error: {shown(str(error))}\n")
    if as_json:
        say_json({"error": _facts_of(error)})


def internal_error(what: str, *, as_json: bool) -> None:
    """Print that kheaders itself is at fault."""
    hint = "please report it, with the output of 'kheaders -v -v ...'"
    complain(f"kheaders: internal error: {shown(' '.join(what.split()))}; {hint}\n")
    if as_json:
        say_json({"error": {"kind": "InternalError", "what": what, "hint": hint, "exit_code": 70}})


def found_facts(found: Found) -> dict[str, Any]:
    """What ``--json`` tells of headers."""
    return {
        "release": found.facts.release,
        "srcarch": found.facts.srcarch,
        "source": found.candidate.source,
        "location": found.candidate.location,
        "digest": found.facts.digest,
        "checks": found.verdict.to_json()["checks"],
    }


def shown(text: str) -> str:
    """*text* for people, on one line: what cannot be printed (control characters of a path, say) is escaped."""
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def size(count: int) -> str:
    """*count* bytes for people, in powers of 1000."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.5 or unit == "GB":
            break
    return f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"


def plural(count: int, noun: str) -> str:
    """``1 header``, ``2 headers``."""
    if count != 1:
        noun = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count} {noun}"


def ago(seconds: float) -> str:
    """*seconds* in the past, for people."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            return f"{plural(int(seconds // length), unit)} ago"
    return "just now"


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """*rows* as aligned lines; the columns *right* are aligned to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [f"{c:>{w}}" if at in right else f"{c:<{w}}" for at, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return lines


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at *stream*, on a terminal that can do more than print lines."""
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:
        return False


def _facts_of(error: KheadersError) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "kind": type(error).__name__,
        "what": error.what,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }
    if isinstance(error, HeadersNotFound):
        facts["reasons"] = list(error.reasons)
    if isinstance(error, CompileFailed):
        facts["diagnostics"] = error.diagnostics
    return facts


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _stdout() -> TextIO:
    if sys.stdout is None:
        raise StoreError("standard output is closed", "redirect it to a file or to /dev/null")
    return sys.stdout


def _write_out(text: str) -> None:
    try:
        _write(_stdout(), text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _unwritable(error) from error


def _write(stream: TextIO, text: str) -> None:
    """Write *text*: undecodable bytes of paths as those bytes, characters that the locale lacks as escapes."""
    encoding = getattr(stream, "encoding", None)
    raw = getattr(stream, "buffer", None)
    if not encoding or raw is None:
        stream.write(text)
        return
    try:
        data = text.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        data = b"".join(_encoded(char, encoding) for char in text)
    stream.flush()
    raw.write(data)


def _encoded(char: str, encoding: str) -> bytes:
    try:
        return char.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        return char.encode(encoding, "backslashreplace")


def _unwritable(error: OSError) -> StoreError:
    return StoreError(
        f"standard output cannot be written to ({error.strerror})", "free space, or redirect it elsewhere"
    )
