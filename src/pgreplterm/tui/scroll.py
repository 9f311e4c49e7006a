"""Rows of prose or figures that may be longer than the screen: the moving keys move the window.

Owns: that widget. Must not: know what the rows say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import BindingType

from pgreplterm.tui.ink import BLANK, Ink, Row, row
from pgreplterm.tui.rowlist import MOVING, RowList


class Scroll(RowList, inherit_bindings=False):
    """A list without a visible cursor. Subclasses implement ``build``; ``rebuild`` repaints what differs."""

    BINDINGS: ClassVar[list[BindingType]] = [*MOVING]

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self._width = 0

    def build(self, width: int) -> Sequence[Row]:
        """All rows, for that width."""
        raise NotImplementedError

    def rebuild(self) -> None:
        """Build again; the window stays where it is."""
        self._width = self.size.width
        if self._width:
            self.rows = list(self.build(self._width))
            self._to(self.top)
            self.refresh_changed()

    def count(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def line(self, index: int) -> Row:
        """One of them; the last visible one says when there is more."""
        hidden = self.count() - self.top - self.page_size
        if hidden > 0 and index == self.top + self.page_size - 1:
            return row((f" ... {hidden + 1} more rows: PgDn, j", Ink.DIM))
        return self.rows[index] if index < len(self.rows) else BLANK

    def cursor_line(self, index: int) -> Row:
        """Like every other."""
        return self.line(index)

    def action_move(self, step: int) -> None:
        """One row."""
        self._go(self.top + step)

    def action_page(self, step: int) -> None:
        """One page, with a row in common."""
        self._go(self.top + step * max(self.page_size - 1, 1))

    def action_jump(self, where: int) -> None:
        """To the beginning (0) or the end (-1)."""
        self._go(0 if where == 0 else self.count())

    def on_resize(self) -> None:
        """Another width needs other rows."""
        self.rebuild()

    def on_focus(self) -> None:
        """It looks the same with the focus."""

    def on_blur(self) -> None:
        """It looks the same without."""

    def _go(self, top: int) -> None:
        before = self.top
        self._to(top)
        if self.top != before:
            self.refresh_changed()

    def _to(self, top: int) -> None:
        self.top = max(min(top, self.count() - self.page_size), 0)
        self.cursor = self.top
