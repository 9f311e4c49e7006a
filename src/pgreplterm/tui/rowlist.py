"""A list of any length with a cursor, of which only the visible rows ever exist.

Owns: cursor and window over ``count`` virtual rows, the moving keys that are the same in every place.
Must not: hold the rows themselves; a subclass makes the one it is asked for (a WAL segment has 100,000).
"""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from pgreplterm.tui.ink import BLANK, Ink, Row, fit, recolour
from pgreplterm.tui.strips import changed_cells, paint

MOVING: list[BindingType] = [
    Binding("j,down", "move(1)", "down", show=False),
    Binding("k,up", "move(-1)", "up", show=False),
    Binding("pagedown,ctrl+f", "page(1)", "page down", show=False),
    Binding("pageup,ctrl+b", "page(-1)", "page up", show=False),
    Binding("g,home", "jump(0)", "first", show=False),
    Binding("G,end", "jump(-1)", "last", show=False),
]


class RowList(Widget, can_focus=True):
    """A virtual list. Subclasses implement ``count`` and ``line``; heading rows stay in place."""

    DEFAULT_CSS = "RowList { width: 1fr; height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [*MOVING, Binding("enter", "choose", "open")]

    class Moved(Message):
        """The cursor is on another row."""

        def __init__(self, source: RowList, index: int) -> None:
            super().__init__()
            self.source = source
            self.index = index

        @property
        def control(self) -> RowList:
            """The list, so that handlers can select by its id."""
            return self.source

        def can_replace(self, message: Message) -> bool:
            """Only the newest position matters."""
            return isinstance(message, RowList.Moved) and message.source is self.source

    class Chosen(Message):
        """Enter on a row."""

        def __init__(self, source: RowList, index: int) -> None:
            super().__init__()
            self.source = source
            self.index = index

        @property
        def control(self) -> RowList:
            """The list, so that handlers can select by its id."""
            return self.source

    def __init__(self) -> None:
        super().__init__()
        self.cursor = 0
        self.top = 0
        self._shown: list[Row] = []

    def count(self) -> int:
        """How many rows the list has."""
        raise NotImplementedError

    def line(self, index: int) -> Row:
        """The row at that index."""
        raise NotImplementedError

    def heading(self) -> list[Row]:
        """Rows above the list that never scroll."""
        return []

    def cursor_line(self, index: int) -> Row:
        """The row under the cursor: reversed with the focus, bold without."""
        return recolour(fit(self.line(index), self.size.width), Ink.CURSOR if self.has_focus else Ink.BOLD)

    @property
    def page_size(self) -> int:
        """How many rows of the list are visible."""
        return max(self.size.height - len(self.heading()), 1)

    def reset(self, cursor: int = 0) -> None:
        """The list became another list: put the cursor there and repaint."""
        self.cursor = max(min(cursor, self.count() - 1), 0)
        self.top = 0
        self._keep_visible()
        self.refresh()
        self.post_message(self.Moved(self, self.cursor))

    def move_to(self, index: int) -> None:
        """Put the cursor on a row; repaints two rows when the window need not scroll."""
        index = max(min(index, self.count() - 1), 0)
        if index == self.cursor:
            return
        before, top = self.cursor, self.top
        self.cursor = index
        self._keep_visible()
        if top != self.top:
            self.refresh()
        else:
            self.refresh(self._region(before), self._region(index))
        self.post_message(self.Moved(self, index))

    def refresh_changed(self) -> None:
        """The rows may mean something else now: repaint the visible ones that do."""
        before, self._shown = self._shown, self._visible()
        now = self._shown
        if len(before) != len(now):
            self.refresh()
            return
        regions = []
        for y, (old, new) in enumerate(zip(before, now, strict=True)):
            span = changed_cells(old, new)
            if span is not None:
                regions.append(Region(span[0], y, span[1] - span[0], 1))
        if regions:
            self.refresh(*regions)

    def show_row(self, index: int) -> None:
        """Scroll so that a row is visible, without moving the cursor on it."""
        if not self.top <= index < self.top + self.page_size:
            self.top = max(min(index - self.page_size // 3, self.count() - self.page_size), 0)
            self.refresh()

    def action_move(self, step: int) -> None:
        """One row down or up."""
        self.move_to(self.cursor + step)

    def action_page(self, step: int) -> None:
        """One page down or up."""
        self.move_to(self.cursor + step * self.page_size)

    def action_jump(self, where: int) -> None:
        """To the first row (0) or the last (-1)."""
        self.move_to(0 if where == 0 else self.count() - 1)

    def action_choose(self) -> None:
        """Enter."""
        if self.count():
            self.post_message(self.Chosen(self, self.cursor))

    def _keep_visible(self) -> None:
        page = self.page_size
        self.top = max(min(self.top, self.count() - page), 0)
        if self.cursor < self.top:
            self.top = self.cursor
        elif self.cursor >= self.top + page:
            self.top = self.cursor - page + 1

    def _region(self, index: int) -> Region:
        y = index - self.top + len(self.heading())
        return Region(0, y, self.size.width, 1)

    def on_resize(self) -> None:
        """Keep the cursor in the window; a list that scrolls for it may have been painted already."""
        top = self.top
        self._keep_visible()
        self._shown = self._visible()
        if self.top != top:
            self.refresh()

    def on_focus(self) -> None:
        """The cursor row looks different with the focus."""
        self.refresh(self._region(self.cursor))

    def on_blur(self) -> None:
        """The cursor row looks different without the focus."""
        self.refresh(self._region(self.cursor))

    def _visible(self) -> list[Row]:
        width, height = self.size
        return [fit(self._row_at(y), width) for y in range(height)]

    def _row_at(self, y: int) -> Row:
        head = self.heading()
        if y < len(head):
            return head[y]
        index = self.top + y - len(head)
        if index >= self.count():
            return BLANK
        return self.cursor_line(index) if index == self.cursor else self.line(index)

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        return paint(self._row_at(y), self.size.width)
