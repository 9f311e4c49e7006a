"""The Overview place: one sentence, topology and lag, graphs, what was noticed.

Owns: those widgets, and the card of the node under the cursor.
Must not: judge: the sentence is the cluster room's verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen

from pgreplterm.cluster.model import Node
from pgreplterm.cluster.verdict import Severity, verdict
from pgreplterm.tui.chrome import Rule
from pgreplterm.tui.desk import Desk
from pgreplterm.tui.events.rows import event_row
from pgreplterm.tui.ink import BLANK, Ink, Row, fit, row, wrap
from pgreplterm.tui.overview.card import card_rows
from pgreplterm.tui.overview.graphs import LagGraphs
from pgreplterm.tui.overview.table import table_rows
from pgreplterm.tui.place import Place
from pgreplterm.tui.rowlist import RowList
from pgreplterm.tui.strips import Lines

SHOWN_PROGRESS = 12
INKS = {
    Severity.OK: Ink.HEALTHY,
    Severity.UNKNOWN: Ink.WARNING,
    Severity.WARNING: Ink.WARNING,
    Severity.CRITICAL: Ink.CRITICAL,
}


class VerdictLine(Lines):
    """One sentence on the whole cluster; before the first tick, what is being waited for."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def build(self, width: int) -> Sequence[Row]:
        """The sentence, or the narration of the lab coming up."""
        view, glyphs = self._desk.view, self._desk.glyphs
        if view.snapshot is None:
            return [BLANK, *_waiting(view.progress, view.fatal, view.title, width)]
        judged = verdict(view.snapshot, view.limits, view.earlier)
        if judged.severity is Severity.OK:  # the age of the evidence changes on an idle link too; the card has it
            return [row(" ", (f"{glyphs.healthy} {judged.sentence}", Ink.HEALTHY))]
        return wrap(judged.line, width - 1, INKS[judged.severity], indent=" ")[:2]


def _waiting(progress: Sequence[str], fatal: str | None, title: str, width: int) -> list[Row]:
    rows = [row((f" Waiting for {title}", Ink.BOLD)), BLANK]
    rows += [row("   ", (line, Ink.DIM)) for line in progress[-SHOWN_PROGRESS:]]
    if fatal is not None:
        rows += [BLANK, *wrap(fatal, width - 2, Ink.CRITICAL, indent=" "), BLANK, row(" q quits.")]
    return rows


class TopologyTable(RowList):
    """The table, with a cursor for the card."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._built: tuple[int, int, list[Row]] | None = None

    def _table(self, width: int) -> list[Row]:
        snapshot = self._desk.view.snapshot
        if snapshot is None:
            return []
        if self._built is None or self._built[:2] != (id(snapshot), width):
            self._built = (id(snapshot), width, table_rows(snapshot, width, self._desk.glyphs))
        return self._built[2]

    def count(self) -> int:
        """How many nodes."""
        snapshot = self._desk.view.snapshot
        return len(snapshot.nodes) if snapshot is not None else 0

    def line(self, index: int) -> Row:
        """One node."""
        return self._table(self.size.width)[index + 1]

    def heading(self) -> list[Row]:
        """The column titles."""
        return self._table(self.size.width)[:1]

    @property
    def node(self) -> Node | None:
        """The node under the cursor."""
        snapshot = self._desk.view.snapshot
        if snapshot is None or not snapshot.nodes:
            return None
        return snapshot.nodes[min(self.cursor, len(snapshot.nodes) - 1)]


class NodeCard(Lines):
    """The node under the cursor of a table."""

    DEFAULT_CSS = "NodeCard { height: 1fr; }"

    def __init__(self, desk: Desk, table: TopologyTable) -> None:
        super().__init__()
        self._desk, self._table = desk, table

    def build(self, width: int) -> Sequence[Row]:
        """The card, or nothing before the first tick."""
        snapshot, node = self._desk.view.snapshot, self._table.node
        if snapshot is None or node is None:
            return []
        at_risk = self._desk.view.risks.get(node.name)
        return card_rows(snapshot, node, width, self._desk.glyphs, at_risk)


class EventTail(Lines):
    """The newest events, newest last."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def build(self, width: int) -> Sequence[Row]:
        """As many as there is room for."""
        height = self.size.height
        events = list(self._desk.view.events)[-height:] if height else []
        return [fit(event_row(event, self._desk.glyphs), width) for event in events]


class NodePage(ModalScreen[None]):
    """The card as a page, for terminals too narrow to show it beside the table."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss", "back")]
    DEFAULT_CSS = "NodePage { background: ansi_default; }"

    def __init__(self, desk: Desk, table: TopologyTable) -> None:
        super().__init__()
        self._desk, self._table = desk, table

    def compose(self) -> ComposeResult:
        """The card."""
        yield NodeCard(self._desk, self._table)

    def show_view(self) -> None:
        """Another tick."""
        self.query_one(NodeCard).rebuild()


class OverviewPlace(Place):
    """Place 1."""

    mode = "overview"
    CSS_PATH = "overview.tcss"

    def body(self) -> ComposeResult:
        """At 100 columns the card stands beside the table and the graphs."""
        table = TopologyTable(self.desk)
        yield VerdictLine(self.desk)
        with Horizontal(id="middle"):
            with Vertical(id="left"):
                yield table
                yield LagGraphs(self.desk)
            yield NodeCard(self.desk, table)
        yield Rule(self.desk, "events")
        yield EventTail(self.desk)

    def show_view(self) -> None:
        """Also give the table the height its nodes need."""
        table = self.query_one(TopologyTable)
        table.styles.height = table.count() + 1 if table.count() else 0
        super().show_view()
        table.refresh_changed()

    def on_row_list_moved(self) -> None:
        """Another node under the cursor."""
        self.query_one(NodeCard).rebuild()

    def on_row_list_chosen(self) -> None:
        """Enter: the card as a page."""
        self.app.push_screen(NodePage(self.desk, self.query_one(TopologyTable)))
