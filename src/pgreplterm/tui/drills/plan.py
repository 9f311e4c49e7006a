"""The plan page: what is, what will be done, what may be lost, and the name to type before any of it.

Owns: the modal and its two checks at Enter: the typed name, and that the cluster is still the one that was shown.
Must not: start the drill; it answers True and the application does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.tui.desk import Desk
from pgreplterm.tui.drills.rows import Drill, plan_rows
from pgreplterm.tui.ink import BLANK, Ink, Row, wrap
from pgreplterm.tui.strips import Lines

Shape = tuple[tuple[str, str, int | None], ...]


def shape(snapshot: ClusterSnapshot) -> Shape:
    """What a plan depends on: each node's role and timeline."""
    return tuple((node.name, str(node.role), node.timeline) for node in snapshot.nodes)


class PlanRows(Lines):
    """The plan, from the newest snapshot."""

    def __init__(self, desk: Desk, drill: Drill, lab: str) -> None:
        super().__init__()
        self._desk, self._drill, self._lab = desk, drill, lab

    def build(self, width: int) -> Sequence[Row]:
        """All of it; the text is short enough for 24 rows."""
        snapshot = self._desk.view.snapshot
        return [] if snapshot is None else plan_rows(self._drill, self._lab, snapshot, width)


class Answer(Lines):
    """What Enter will do, or why it did not."""

    def __init__(self, lab: str) -> None:
        super().__init__()
        self.text = f"Type the lab's name, {lab}, to run.  Enter run   Esc cancel"
        self.ink = Ink.PLAIN

    def build(self, width: int) -> Sequence[Row]:
        """One row."""
        return [BLANK, *wrap(self.text, width - 1, self.ink, indent=" ")]

    def refuse(self, text: str) -> None:
        """Say why not."""
        self.text, self.ink = text, Ink.CRITICAL
        self.rebuild()


class PlanPage(ModalScreen[bool]):
    """The way to a drill; True when it may start."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "cancel")]
    CSS_PATH = "plan.tcss"

    def __init__(self, desk: Desk, drill: Drill, lab: str) -> None:
        super().__init__()
        self._desk, self._drill, self._lab = desk, drill, lab
        self._shape: Shape | None = None

    def compose(self) -> ComposeResult:
        """The plan, the question, the field."""
        with Vertical(id="plan"):
            yield PlanRows(self._desk, self._drill, self._lab)
            yield Answer(self._lab)
            field = Input(id="name", compact=True, select_on_focus=False)
            field.cursor_blink = False
            yield field

    def on_mount(self) -> None:
        """Remember what the plan was made for."""
        snapshot = self._desk.view.snapshot
        self._shape = shape(snapshot) if snapshot is not None else None
        self.query_one(Input).focus()

    def show_view(self) -> None:
        """Positions move while the plan is read."""
        self.query_one(PlanRows).rebuild()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Run only with the right name and only on the cluster that was shown."""
        answer, snapshot = self.query_one(Answer), self._desk.view.snapshot
        refusal = self._desk.drill_refusal()
        now = shape(snapshot) if snapshot is not None else None
        if refusal is not None:
            answer.refuse(f"Not started: {refusal}.")
        elif event.value.strip() != self._lab:
            answer.refuse(f"Not started: expected {self._lab}, found {event.value.strip() or 'nothing'}.")
        elif now != self._shape:
            self._shape = now
            answer.refuse("The cluster has changed; read the plan again, then press Enter.")
        else:
            self.dismiss(True)

    def action_cancel(self) -> None:
        """Nothing was done."""
        self.dismiss(False)
