"""Tables of text for stdout.

Owns: the widths of columns. Must not: know what the cells mean.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

NARROWEST = 20
"""Characters that a last column keeps, however narrow the terminal is."""


def aligned(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: frozenset[str] = frozenset(),
    gap: int = 2,
    within: int | None = None,
) -> list[str]:
    """Columns as wide as their widest cell; those named in right are set to the right; gap is in blanks.

    within is a width in characters: the words of the last column go on in further lines where they would pass it.
    """
    widths = [max(len(row[place]) for row in (headings, *rows)) for place in range(len(headings))]
    if within is not None:
        widths[-1] = min(widths[-1], max(NARROWEST, within - sum(widths[:-1]) - gap * (len(widths) - 1)))
    return [
        (" " * gap)
        .join(
            cell.rjust(width) if heading in right else cell.ljust(width)
            for heading, cell, width in zip(headings, row, widths, strict=True)
        )
        .rstrip()
        for whole in (headings, *rows)
        for row in _lines(whole, widths[-1])
    ]


def terminal_width() -> int | None:
    """Characters in a line of stdout; None when it is no terminal, and lines are as long as they are."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _lines(row: Sequence[str], width: int) -> list[list[str]]:
    *first, last = row
    words = [last] if len(last) <= width else textwrap.wrap(last, width)
    return [[*(first if number == 0 else [""] * len(first)), part] for number, part in enumerate(words)]
