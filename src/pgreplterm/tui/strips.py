"""Widgets painted row by row, which send only what changed.

Owns: the colours of each Ink, rows to strips, and two bases: ``Lines`` (a few rows, rebuilt and compared) and,
in ``rowlist``, a virtual list built on the same painting. Textual repaints whatever region it is told to, so the
comparison here is what makes an unchanged cluster cost zero bytes.
Must not: know clusters, WAL or drills.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from pgreplterm.tui.ink import BLANK, Ink, Row, fit

# The terminal's own sixteen colours: half the bytes of truecolour, and the user has already chosen them to be
# legible. Blue against yellow against bold red stays apart for every common kind of colour blindness.
STYLES = {
    Ink.PLAIN: Style(),
    Ink.DIM: Style(dim=True),
    Ink.BOLD: Style(bold=True),
    Ink.HEALTHY: Style(color="bright_blue"),
    Ink.WARNING: Style(color="yellow"),
    Ink.CRITICAL: Style(color="red", bold=True),
    Ink.KEY: Style(color="cyan"),
    Ink.HEADING: Style(bold=True, underline=True),
    Ink.CURSOR: Style(reverse=True),
    Ink.MARK: Style(reverse=True, color="bright_blue"),
}


def paint(line: Row, width: int) -> Strip:
    """The strip of a row, exactly width cells."""
    return Strip([Segment(text, STYLES[ink]) for text, ink in fit(line, width)], width)


def changed_cells(before: Row, after: Row) -> tuple[int, int] | None:
    """First and one-past-last cell in which two rows of equal width differ, or None."""
    if before == after:
        return None
    start = 0
    for old, new in zip(before, after, strict=False):
        if old != new:
            break
        start += cell_len(old[0])
    tail = 0
    total = sum(cell_len(text) for text, _ in after)
    for old, new in zip(reversed(before), reversed(after), strict=False):
        if old != new:
            break
        tail += cell_len(old[0])
    return start, max(total - tail, start)


class Lines(Widget):
    """A widget of rows. Subclasses implement ``build``; ``rebuild`` repaints the cells that differ, nothing else."""

    DEFAULT_CSS = "Lines { height: auto; width: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Row] = []

    def build(self, width: int) -> Sequence[Row]:
        """The rows to show in width cells; ``size`` tells the height the layout gives, where that matters."""
        raise NotImplementedError

    def rebuild(self) -> None:
        """Build again and refresh the changed cells; a changed number of rows asks for a new layout."""
        width = self.size.width
        if not width:
            return
        old, new = self._rows, [fit(line, width) for line in self.build(width)]
        if new == old:
            return
        self._rows = new
        if len(new) != len(old) and self.styles.is_auto_height:
            self.refresh(layout=True)
            return
        regions = []
        for y in range(max(len(old), len(new))):
            before = old[y] if y < len(old) else fit(BLANK, width)
            after = new[y] if y < len(new) else fit(BLANK, width)
            span = changed_cells(before, after)
            if span is not None:
                regions.append(Region(span[0], y, span[1] - span[0], 1))
        if regions:
            self.refresh(*regions)

    @property
    def rows(self) -> tuple[Row, ...]:
        """What is shown now."""
        return tuple(self._rows)

    def on_resize(self) -> None:
        """A new width needs new rows, and Textual repaints the whole widget anyway."""
        self._rows = []
        self.rebuild()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        """As many lines as there are rows at that width."""
        return len(self.build(width))

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        return paint(self._rows[y] if y < len(self._rows) else BLANK, self.size.width)
