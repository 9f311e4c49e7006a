"""Columns of text in a given width.

Owns: widths and the folding of cells. Must not: know what they say.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import zip_longest

GAP = 2
INDENT = 2
NARROWEST = 20
"""Characters the last column keeps, however narrow the terminal is."""


def columns(rows: Sequence[Sequence[str]], width: int | None, widest: int = 26) -> list[str]:
    """A line or more a row; no column but the last is wider than widest. width None: the last one is not folded."""
    if not rows:
        return []
    natural = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    widths = [min(each, widest) if width is not None else each for each in natural[:-1]]
    if width is None:
        widths.append(natural[-1])
    else:
        widths.append(max(NARROWEST, width - INDENT - sum(widths) - GAP * len(widths)))
    return [line for row in rows for line in _lines(row, widths)]


def stacked(rows: Sequence[tuple[str, str, str]], width: int | None, widest: int = 44) -> list[str]:
    """The first two cells in columns, the third below them, indented: for long words on a narrow terminal."""
    label = min(widest, max((len(row[0]) for row in rows), default=0))
    lines: list[str] = []
    for first, second, third in rows:
        lines += columns([(first.ljust(label), second)], width, widest)
        lines += [f"{' ' * 2 * INDENT}{line}" for line in folded(third, width and width - 2 * INDENT) if line]
    return lines


def folded(text: str, width: int | None, indent: int = 0) -> list[str]:
    """A sentence in lines of that width; all but the first are indented."""
    if width is None:
        return [text]
    return textwrap.wrap(text, max(NARROWEST, width), subsequent_indent=" " * indent) or [""]


def _lines(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    cells = [textwrap.wrap(cell, each) or [""] for cell, each in zip(row, widths, strict=True)]
    return [
        (" " * INDENT + (" " * GAP).join(part.ljust(each) for part, each in zip(parts, widths, strict=True))).rstrip()
        for parts in zip_longest(*cells, fillvalue="")
    ]
