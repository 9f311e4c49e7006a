"""The stack of lag graphs under the table.

Owns: which standbys are drawn in the room there is, and the line that explains each drawing.
Must not: draw when there was no lag: a calm cluster gets one constant line, which costs nothing to keep.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgreplterm.cluster import words
from pgreplterm.cluster.model import Role
from pgreplterm.tui.desk import Desk
from pgreplterm.tui.ink import BLANK, Ink, Row, row, spread
from pgreplterm.tui.overview.graph import Graph, columns, drawn, scale_for
from pgreplterm.tui.strips import Lines

WINDOW = 300.0  # seconds
WINDOW_NAME = "5m"
TALL, LOW = 3, 2  # rows of one drawing, without its label


def series(desk: Desk, count: int) -> list[Graph]:
    """One graph a standby, in topology order, count columns wide."""
    snapshot = desk.view.snapshot
    if snapshot is None:
        return []
    return [
        Graph(
            node.name,
            columns(
                desk.view.history.replay(node.name, since=snapshot.taken_at - WINDOW), snapshot.taken_at, WINDOW, count
            ),
        )
        for node in snapshot.nodes
        if node.role is not Role.PRIMARY
    ]


def graph_rows(desk: Desk, width: int, height: int) -> list[Row]:
    """As many graphs as fit, the largest lag first; without any lag one line says so."""
    graphs = sorted(
        (graph for graph in series(desk, max(width - 2, 1)) if graph.peak), key=lambda graph: -(graph.peak or 0)
    )
    if not graphs:
        return [row((f" No replay lag seen in the last {WINDOW_NAME}.", Ink.DIM))][:height]
    each = (TALL if height >= len(graphs) * (TALL + 1) else LOW) + 1
    shown = graphs[: max(height // each, 1)]
    top = scale_for(shown)
    rows: list[Row] = []
    for graph in shown:
        rows.append(_label(graph, top, width))
        rows += drawn(graph, top, max(min(each - 1, height - len(rows)), 1), desk.glyphs, Ink.HEALTHY)
    return rows[:height]


def _label(graph: Graph, top: int, width: int) -> Row:
    return spread(
        row(f" {graph.name} replay lag, {WINDOW_NAME}, max {words.size(graph.peak)}"),
        row((f"scale 0 to {words.size(top)} ", Ink.DIM)),
        width,
    )


class LagGraphs(Lines):
    """The graphs, in whatever room the table leaves."""

    DEFAULT_CSS = "LagGraphs { height: 1fr; }"

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def build(self, width: int) -> Sequence[Row]:
        """A blank row, then the graphs; nothing before the first tick."""
        if self._desk.view.snapshot is None:
            return []
        return [BLANK, *graph_rows(self._desk, width, max(self.size.height - 1, 0))]
