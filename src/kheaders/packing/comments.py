"""Comments taken out of a header, by the rule of kernel/gen_kheaders.sh.

The rule is a substitution of Perl's: the shortest ``/*`` … ``*/`` goes, newlines too, unless ``SPDX`` stands in it;
what ``//`` starts stays. Done here by searches for bytes instead of a pattern: as fast as the best pattern on real
headers, linear on any input (a pattern tries each ``/*`` anew where no ``*/`` follows), and independent of what the
interpreter makes of possessive quantifiers (Python 3.11.2 misses matches with them).
"""

from __future__ import annotations

_SPDX = b"SPDX"


def strip(data: bytes) -> bytes:
    """*data* without its comments, but for those with ``SPDX`` in them."""
    find = data.find
    at = find(b"/*")
    if at < 0:
        return data
    kept = []
    done = 0
    spdx = end = -1
    while at >= 0:
        if end < at + 2 and (end := find(b"*/", at + 2)) < 0:
            break
        if spdx < at + 2 and (spdx := find(_SPDX, at + 2)) < 0:
            spdx = len(data)
        if spdx < end:
            # No end later than this one helps, since SPDX would still be passed; a /* within may start a comment.
            at = find(b"/*", at + 1)
            continue
        kept.append(data[done:at])
        done = end + 2
        at = find(b"/*", done)
    kept.append(data[done:])
    return b"".join(kept)
