"""A report of several sections, as aligned text; on a terminal folded to its width, and with rich in colour."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from kheaders.cli import output


class Row(NamedTuple):
    """One fact: a mark (``used``, ``ok``, ``no`` or empty), its name, itself, and what to do about it."""

    mark: str
    label: str
    text: str
    hint: str = ""


class Section(NamedTuple):
    """Facts that belong together."""

    title: str
    rows: Sequence[Row]


MARKS = {"used": "->", "ok": "ok", "no": "--", "": ""}
_COLOURS = {"used": "bold green", "ok": "green", "no": "yellow", "": ""}
_SYMBOLS = {"used": "➜", "ok": "✓", "no": "·", "": ""}
_WIDEST = 120


def show(sections: Sequence[Section], closing: str, what_next: str) -> None:
    """Print the report, then what it comes to and what to do next."""
    label = max((len(row.label) for section in sections for row in section.rows), default=0)
    if output.is_terminal(sys.stdout) and _has_rich():
        _show_rich(sections, closing, what_next, label)
        return
    width = min(shutil.get_terminal_size().columns, _WIDEST) if output.is_terminal(sys.stdout) else 0
    for line in plain(sections, closing, what_next, label, width):
        output.say(line)


def plain(sections: Sequence[Section], closing: str, what_next: str, label: int, width: int) -> list[str]:
    """The report as lines of at most *width* columns; 0: each fact on one line, however long."""
    lines = []
    for section in sections:
        lines.append(section.title)
        for row in section.rows:
            head = f"  {MARKS[row.mark]:<2} {output.shown(row.label):<{label}}  "
            lines += _folded(head, output.shown(row.text), width)
            if row.hint:
                lines += _folded(" " * len(head), output.shown(row.hint), width)
        lines.append("")
    lines += _folded("result: ", output.shown(closing), width)
    return lines + _folded("next:   ", output.shown(what_next), width)


def _folded(head: str, text: str, width: int) -> list[str]:
    if not width or len(head) + len(text) <= width or width < len(head) + 20:
        return [(head + text).rstrip()]
    return textwrap.wrap(text, width, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)


def _has_rich() -> bool:
    from importlib.util import find_spec

    return find_spec("rich") is not None


def _show_rich(sections: Sequence[Section], closing: str, what_next: str, label: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, emoji=False, markup=False)
    width = min(console.width, _WIDEST)
    symbols = _SYMBOLS if (console.encoding or "").startswith("utf") else MARKS
    for section in sections:
        console.print(Text(section.title, style="bold"))
        grid = Table.grid(padding=(0, 1), expand=False)
        grid.add_column(width=3, justify="right", no_wrap=True)
        grid.add_column(width=label, no_wrap=True)
        grid.add_column(max_width=max(width - label - 6, 20), overflow="fold")
        for row in section.rows:
            text = Text(output.shown(row.text), style="" if row.mark != "no" else "dim")
            if row.hint:
                text.append(f"\n{output.shown(row.hint)}", style="cyan" if row.mark == "no" else "dim")
            mark = Text(symbols[row.mark], style=_COLOURS[row.mark])
            grid.add_row(mark, Text(output.shown(row.label)), text)
        console.print(grid)
        console.print()
    for head, line, style in (("result", closing, "bold"), ("next", what_next, "bold cyan")):
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=6, no_wrap=True)
        grid.add_column(max_width=max(width - 8, 20), overflow="fold")
        grid.add_row(Text(head, style="bold"), Text(output.shown(line), style=style))
        console.print(grid)
