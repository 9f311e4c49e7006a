"""Tables of text for stdout.

Owns: the widths of columns. Must not: know what the cells mean.
"""

from __future__ import annotations

from collections.abc import Sequence


def aligned(headings: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[str], gap: int = 2) -> list[str]:
    """Columns as wide as their widest cell; those named in right are set to the right; gap is in blanks."""
    widths = [max(len(row[place]) for row in (headings, *rows)) for place in range(len(headings))]
    return [
        (" " * gap)
        .join(
            cell.rjust(width) if heading in right else cell.ljust(width)
            for heading, cell, width in zip(headings, row, widths, strict=True)
        )
        .rstrip()
        for row in (headings, *rows)
    ]
