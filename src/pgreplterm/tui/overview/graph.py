"""The lag graph: one standby's replay gap over a window, as block characters.

Owns: time-aligned columns, the common scale of a stack of graphs, the drawing of one.
Must not: interpolate. A moment without evidence is a blank column, which no zero looks like.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pgreplterm.tui.glyphs import Glyphs
from pgreplterm.tui.ink import Ink, Row, row

Column = int | None


@dataclass(frozen=True, slots=True)
class Graph:
    """One series cut into columns, oldest first; peak is the largest value in bytes, None without evidence."""

    name: str
    columns: tuple[Column, ...]

    @property
    def peak(self) -> int | None:
        """The largest value shown."""
        return max((value for value in self.columns if value is not None), default=None)


def columns(points: Sequence[tuple[float, int | None]], now: float, window: float, count: int) -> tuple[Column, ...]:
    """The largest value in each of count equal slices of the window that ends with the slice now is in.

    points are (seconds since the epoch, bytes or None), oldest first; window is in seconds. Slices are aligned
    to the epoch, not to now, so that a graph moves by whole columns and a column never changes its past.
    """
    slices: list[Column] = [None] * count
    width = window / count
    first = math.floor(now / width) - count + 1
    for at, value in points:
        place = math.floor(at / width) - first
        if value is not None and 0 <= place < count:
            slices[place] = max(value, slices[place] or 0)
    return tuple(slices)


def scale_for(graphs: Sequence[Graph]) -> int:
    """The common top in bytes: the next power of two above every peak; less than 64 kB is noise."""
    peak = max((graph.peak or 0 for graph in graphs), default=0)
    return 1 << max(peak - 1, 0xFFFF).bit_length()


def drawn(graph: Graph, top: int, height: int, glyphs: Glyphs, ink: Ink) -> list[Row]:
    """The columns as height rows of blocks; a zero is the lowest block, no evidence is blank."""
    steps = len(glyphs.blocks)
    levels = [None if value is None else max(1, math.ceil(value * height * steps / top)) for value in graph.columns]
    rows = []
    for line in range(height):
        floor = (height - 1 - line) * steps
        cells = (
            " " if level is None or level <= floor else glyphs.blocks[min(level - floor, steps) - 1] for level in levels
        )
        rows.append(row(" ", ("".join(cells), ink)))
    return rows
