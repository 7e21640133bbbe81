"""Pages of a blob: some declarations or macros that follow each other, with all that belongs to them.

The numbers of a page, of 32 bits: how many things it holds (n); where each text starts, and where the last one ends
(n + 1); lines (n); where each row starts, those of one thing after the other, and where the last one ends; the rows.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise

from kheaders.interface.schema import PAGE, PAGE_ITEMS
from kheaders.system.ragged import Rows


class Page:
    """One page, unpacked. Things in it are counted from its own first one."""

    __slots__ = ("_lines", "_numbers", "_packed", "_starts", "_text", "_values", "_width", "count")

    def __init__(self, numbers: bytes, text: bytes, width: int) -> None:
        """Unpack a page whose things have *width* rows, but its *text* only when that is asked for.

        Raises zlib.error, ValueError, IndexError for numbers that are damaged.
        """
        unpacked = memoryview(zlib.decompress(numbers)).cast("I")
        if not len(unpacked):
            raise ValueError("no numbers")
        self.count = count = unpacked[0]
        self._numbers = unpacked
        self._lines = count + 2
        self._starts = self._lines + count
        self._values = self._starts + width * count + 1
        self._width = width
        self._packed = text
        self._text: bytes | None = None
        if unpacked[self._values - 1] != len(unpacked) - self._values:
            raise ValueError("numbers that do not fit")

    def text(self, item: int) -> bytes:
        """The text of a thing. Raises zlib.error, ValueError where the page's text is damaged."""
        whole = self._text
        if whole is None:
            whole = self._text = zlib.decompress(self._packed)
            if self._numbers[self.count + 1] != len(whole):
                raise ValueError("a text that does not fit")
        return whole[self._numbers[item + 1] : self._numbers[item + 2]]

    def line(self, item: int) -> int:
        """The line of its header that it begins in."""
        return self._numbers[self._lines + item]

    def row(self, item: int, which: int) -> memoryview:
        """Its row number *which*."""
        at = self._starts + item * self._width + which
        base = self._values
        return self._numbers[base + self._numbers[at] : base + self._numbers[at + 1]]

    @property
    def sound(self) -> bool:
        """Whether everything in it rises that should."""
        numbers = self._numbers
        for first, end in ((1, self._lines), (self._starts, self._values)):
            part = numbers[first:end].tolist()
            if part[0] or part != sorted(part):
                return False
        return True


def cuts(texts: Sequence[bytes]) -> list[int]:
    """The first thing of each page, and the end: where the pages of *texts* begin."""
    found = [0]
    size = 0
    for number, text in enumerate(texts):
        if size >= PAGE or number - found[-1] == PAGE_ITEMS:
            found.append(number)
            size = 0
        size += len(text)
    if texts:
        found.append(len(texts))
    return found


def numbered(texts: Sequence[bytes], lines: array[int], rows: Sequence[Rows], bounds: Sequence[int]) -> Iterator[bytes]:
    """The numbers of each page, packed."""
    columns = [(column.starts, column.values) for column in rows]
    for first, end in pairwise(bounds):
        starts = [0]
        at = 0
        for text in texts[first:end]:
            at += len(text)
            starts.append(at)
        values = array("I")
        row_starts = [0]
        for item in range(first, end):
            for column_starts, column in columns:
                begin, stop = column_starts[item], column_starts[item + 1]
                if begin != stop:
                    values += column[begin:stop]
                row_starts.append(len(values))
        page = array("I", [end - first, *starts, *lines[first:end], *row_starts])
        page += values
        yield zlib.compress(page.tobytes(), 1)


def texted(texts: Sequence[bytes], bounds: Sequence[int]) -> Iterator[bytes]:
    """The text of each page, packed."""
    for first, end in pairwise(bounds):
        yield zlib.compress(b"".join(texts[first:end]), 6)
