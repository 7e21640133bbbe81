"""``kheaders doctor``: everything that decides which headers are used, and what to do next."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kheaders.cli import options, output, progress
from kheaders.cli.report import Row, Section
from kheaders.errors import CompilerError, HeadersNotFound

if TYPE_CHECKING:
    from kheaders.api import Context
    from kheaders.clang.find import Compiler
    from kheaders.doctor import Examined, Report

DESCRIPTION = """\
Tell what this machine has: which kernel runs, which compilers can emit BPF, where things are kept, and what each source
of headers answers. Ends with what would be used and what to do next.
The exit status is 0 if headers were verified or there is a blob of the kernel, 3 if there is neither, 6 if there is no
compiler."""

EPILOG = """\
examples:
  kheaders doctor
  kheaders doctor -v                           with the checks that were passed
  kheaders doctor --kernel 6.1.0-49-amd64      for another kernel
  kheaders doctor --sysroot /host --json       the host's view, from a container

--json: kernel, compilers, compiler, store, blob, sources, chosen, next
"""

LONGEST = 200
"""Characters of a reason that are shown without -v."""

AREAS = {"boot": "until reboot", "persistent": "for longer"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Examine and tell."""
    context = options.context(args)
    with progress.waiting("asking every source, verifying what it offers"):
        report = context.doctor()
    if args.json:
        output.say_json(_facts(report, context))
    else:
        from kheaders.cli.report import show

        places = {area: context.store.place(area) for area in report.store}
        show(_sections(report, places, args.verbose), _closing(report), _next(report, context))
    if report.chosen is None and report.blob is None:
        return HeadersNotFound.exit_code
    return 0 if report.compiler else CompilerError.exit_code


def _sections(report: Report, places: Mapping[str, Path | None], verbose: int) -> list[Section]:
    kernel = report.kernel
    unknown = "unknown"
    absent = "no" if kernel.running else unknown
    btf = f"yes, sha256 {report.btf_digest[:16]}..." if report.btf_digest else absent
    rows = [
        Row("", "release", kernel.release + ("" if kernel.running else ", which is not the running one")),
        *([Row("", "version", kernel.version)] if kernel.version else []),
        Row("", "machine", f"{kernel.machine}, SRCARCH {kernel.srcarch}"),
        Row("", "build id", kernel.build_id or unknown),
        Row("", "BTF", btf),
        Row("", "config", report.config or unknown),
    ]
    sections = [Section("kernel", rows), Section("compilers", _compilers(report))]
    areas = [
        Row("no" if reason else "ok", AREAS.get(area, area), reason or str(places.get(area) or "can be written to"))
        for area, reason in report.store.items()
    ]
    if report.blob is not None:
        areas.append(Row("ok", "blob", str(report.blob)))
    else:
        areas.append(Row("", "blob", "none of this kernel", "make it with 'kheaders blob build'"))
    sections.append(Section("store", areas))
    sections.append(Section("sources of headers", [_answer(answer, report, verbose) for answer in report.sources]))
    return sections


def _compilers(report: Report) -> list[Row]:
    rows = []
    every = list(report.compilers)
    if report.compiler and report.compiler not in every:
        every.insert(0, report.compiler)
    for compiler in every:
        if isinstance(compiler, CompilerError):
            rows.append(Row("no", "", compiler.what, compiler.hint))
        else:
            used = "used" if compiler == report.compiler else "ok"
            rows.append(Row(used, compiler.name, shlex.join(compiler.argv)))
    return rows or [Row("no", "none", "there is no clang that can emit BPF")]


def _answer(answer: Examined, report: Report, verbose: int) -> Row:
    if not answer.ok:
        where = f"{answer.location}: " if answer.location else ""
        return Row("no", answer.source, _short(f"{where}{answer.reason}", verbose), answer.hint)
    checks = ""
    if verbose:
        checks = "; ".join(f"{c.name} {c.state}" + (f" ({c.detail})" if c.detail else "") for c in answer.checks)
    return Row("used" if answer == report.chosen else "ok", answer.source, answer.location, checks)


def _short(reason: str, verbose: int) -> str:
    """A reason without the end of a long list, unless all is wanted; what is no list is told to its end."""
    head, comma, _ = reason[:LONGEST].rpartition(", ")
    if verbose or len(reason) <= LONGEST or not comma:
        return reason
    return f"{head} ... (all of it with -v)"


def _closing(report: Report) -> str:
    chosen = report.chosen
    if chosen is None and report.blob is not None:
        return f"no headers of {report.kernel.release}, but its blob, which makes them unnecessary: {report.blob}"
    if chosen is None:
        return f"no headers of {report.kernel.release}"
    release = next((check.detail for check in chosen.checks if check.name == "release"), report.kernel.release)
    proof = "verified" if report.compiler else "whole, but not proven by a compile"
    stand_in = "" if release == report.kernel.release else f"; this machine runs {report.kernel.release}"
    return f"headers of {release} from {chosen.source}, {proof}: {chosen.location}{stand_in}"


def _next(report: Report, context: Context) -> str:
    """What to do now, in one line."""
    if report.compiler is None:
        return "pip install 'kheaders[compiler]', or install clang 13 or later"
    if context.headers is not None and report.chosen is None:
        return "name other headers with --headers, or none to ask every source"
    if report.chosen is None and report.blob is not None:
        return "kheaders compile PROGRAM.bpf.c, which the blob suffices for"
    if report.chosen is None:
        kernel = "" if report.kernel.running else f" --kernel {report.kernel.release}"
        return (
            f"'kheaders fetch{kernel}' downloads the distribution's package; --headers PATH names headers of your own"
        )
    selected = ""
    if context.headers is not None:
        selected += f" --headers {shlex.quote(str(context.headers))}"
    if context.named and not report.kernel.running:
        selected += f" --kernel {report.kernel.release}"
    return f"kheaders compile{selected} PROGRAM.bpf.c"


def _facts(report: Report, context: Context) -> dict[str, Any]:
    kernel = report.kernel
    return {
        "kernel": {
            "release": kernel.release,
            "version": kernel.version,
            "machine": kernel.machine,
            "srcarch": kernel.srcarch,
            "build_id": kernel.build_id,
            "boot_id": kernel.boot_id,
            "running": kernel.running,
            "btf": _path(kernel.btf),
            "btf_digest": report.btf_digest,
            "config": report.config,
        },
        "compilers": [_compiler(compiler) for compiler in report.compilers],
        "compiler": _compiler(report.compiler) if report.compiler else None,
        "store": {
            area: {"path": _path(context.store.place(area)), "writable": not reason, "reason": reason or ""}
            for area, reason in report.store.items()
        },
        "blob": _path(report.blob),
        "sources": [_source(answer) for answer in report.sources],
        "chosen": _source(report.chosen) if report.chosen else None,
        "next": _next(report, context),
    }


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _compiler(compiler: Compiler | CompilerError) -> dict[str, Any]:
    if isinstance(compiler, CompilerError):
        return {"ok": False, "reason": compiler.what, "hint": compiler.hint}
    version = ".".join(map(str, compiler.version))
    return {
        "ok": True,
        "name": compiler.name,
        "kind": compiler.kind,
        "version": version,
        "argv": list(compiler.argv),
        "include": compiler.include,
    }


def _source(answer: Examined) -> dict[str, Any]:
    return {
        "source": answer.source,
        "location": answer.location,
        "ok": answer.ok,
        "reason": answer.reason,
        "hint": answer.hint,
        "checks": [{"name": c.name, "state": c.state, "detail": c.detail} for c in answer.checks],
    }
