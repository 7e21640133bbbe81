"""What a tree of headers holds beside the headers: those with assembly of the host, without it, and an overlay."""

from __future__ import annotations

from kheaders.headers.headerset import PRIVATE, HeaderSet

OVERLAY = f"{PRIVATE}/overlay.json"


def private_files(headers: HeaderSet, final: str) -> dict[str, bytes]:
    """What lies below ``.bpf/`` of a tree of *headers* that is known as *final*: path in the tree → bytes."""
    from kheaders.clang.overlay import overlay
    from kheaders.headers.hostasm import rewrite

    rewritten = rewrite(headers.files)
    shown = {f"{final}/{path}": f"{final}/{PRIVATE}/{path}" for path in rewritten}
    aliases = {alias: path for alias, path in headers.aliases.items() if path in rewritten}
    shown.update({f"{final}/{alias}": f"{final}/{PRIVATE}/{path}" for alias, path in aliases.items()})
    return {
        OVERLAY: overlay(dict(sorted(shown.items()))),
        **{f"{PRIVATE}/{path}": data for path, data in rewritten.items()},
    }
