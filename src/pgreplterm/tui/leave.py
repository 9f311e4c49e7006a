"""The question asked when the user quits while a drill runs.

Owns: that page.
Must not: stop the drill.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from pgreplterm.tui.ink import BLANK, Ink, Row, row, wrap
from pgreplterm.tui.strips import Lines


class LeaveRows(Lines):
    """The question."""

    def build(self, width: int) -> Sequence[Row]:
        """What quitting does and does not do."""
        unless = "Quitting does not stop it, unless this is a demo, whose lab goes when you leave."
        return [
            BLANK,
            row((" A drill is running, in a process of its own.", Ink.BOLD)),
            *wrap(unless, width - 1, indent=" "),
            BLANK,
            row(" ", ("Enter", Ink.KEY), " quit    ", ("Esc", Ink.KEY), " stay"),
        ]


class LeavePage(ModalScreen[bool]):
    """True when the user leaves."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "answer(True)", "quit"),
        Binding("escape", "answer(False)", "stay"),
    ]
    DEFAULT_CSS = "LeavePage { background: ansi_default; }"

    def compose(self) -> ComposeResult:
        """The rows."""
        yield LeaveRows()

    def action_answer(self, leave: bool) -> None:
        """Leave or stay."""
        self.dismiss(leave)
