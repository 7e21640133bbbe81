"""Horizontal bars as SVG, written by hand: no library is needed, and the text stays text."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

COLOURS = ("#8c2d04", "#d9a03f", "#1b7837", "#9e9e9e")
WIDTH = 860
_LEFT, _RIGHT, _TOP, _BAR, _GAP = 130, 90, 78, 14, 16


def draw(title: str, rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str]) -> str:
    """An SVG document: a group of bars for each row, one bar for each of *names*, with its value beside it."""
    group = _BAR * len(names) + _GAP
    height = _TOP + group * len(rows) + 10
    scale = (WIDTH - _LEFT - _RIGHT) / max(max(values) for _, values in rows)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="24" font-size="15" font-weight="bold" fill="#222222">{escape(title)}</text>',
    ]
    x = _LEFT
    for name, colour in zip(names, COLOURS, strict=False):
        out.append(f'<rect x="{x}" y="42" width="12" height="12" fill="{colour}"/>')
        out.append(f'<text x="{x + 17}" y="52" fill="#222222">{escape(name)}</text>')
        x += 40 + 8 * len(name)
    for number, (label, values) in enumerate(rows):
        y = _TOP + number * group
        middle = y + group / 2 - _GAP / 2 + 4
        out.append(f'<text x="{_LEFT - 8}" y="{middle:.0f}" text-anchor="end" fill="#222222">{escape(label)}</text>')
        for value, colour in zip(values, COLOURS, strict=False):
            width = max(1.0, value * scale)
            out.append(f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR - 2}" fill="{colour}"/>')
            out.append(
                f'<text x="{_LEFT + width + 5:.1f}" y="{y + 10}" font-size="11" fill="#444444">{value:.0f}</text>'
            )
            y += _BAR
    return "\n".join([*out, "</svg>", ""])
