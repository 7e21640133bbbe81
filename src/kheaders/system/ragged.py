"""Ragged array of unsigned 32-bit integers, in two arrays (compressed sparse rows)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator


class Rows:
    """Row *i* is ``values[starts[i]:starts[i + 1]]``."""

    __slots__ = ("starts", "values")

    def __init__(self, starts: array[int] | None = None, values: array[int] | None = None) -> None:
        self.starts: array[int] = array("I", [0]) if starts is None else starts
        self.values: array[int] = array("I") if values is None else values

    def add(self, row: Iterable[int]) -> None:
        """Append a row."""
        self.values.extend(row)
        self.starts.append(len(self.values))

    def __getitem__(self, number: int) -> array[int]:
        return self.values[self.starts[number] : self.starts[number + 1]]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __iter__(self) -> Iterator[array[int]]:
        values, start = self.values, 0
        for end in self.starts[1:]:
            yield values[start:end]
            start = end

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and (self.starts, self.values) == (other.starts, other.values)

    __hash__ = None  # type: ignore[assignment]  # they change
