"""The frame of a place: header, tabs, body, keys.

Owns: composing that frame and repainting it when the view has changed.
Must not: know what any place shows.
"""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.screen import Screen

from pgreplterm.tui.chrome import Header, Keys, PlayLine, Rule, Tabs
from pgreplterm.tui.desk import Desk
from pgreplterm.tui.strips import Lines


class Place(Screen[None]):
    """One of the places on the digits; ``mode`` is its name, ``body`` its own widgets."""

    mode: ClassVar[str]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (120, "-wide")]
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall"), (50, "-full")]
        self.desk = desk

    def compose(self) -> ComposeResult:
        """The frame around the body."""
        yield Header(self.desk)
        yield Tabs(self.mode)
        yield Rule(self.desk) if self.desk.player is None else PlayLine(self.desk.player)
        yield from self.body()
        yield Keys(self.desk)

    def body(self) -> ComposeResult:
        """The widgets between the rule and the keys."""
        raise NotImplementedError

    def show_view(self) -> None:
        """The view has changed, or this place has come to the front: repaint what differs."""
        for widget in self.query(Lines):
            widget.rebuild()

    def on_screen_resume(self) -> None:
        """Catch up with what happened while another place was in front."""
        self.show_view()

    def on_descendant_focus(self) -> None:
        """Other keys may be in force."""
        self.query_one(Keys).rebuild()
