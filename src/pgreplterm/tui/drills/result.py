"""The result card of a run, on its run page and as a page of its own.

Owns: loading the report and what it is compared with, and scrolling through the card.
Must not: word a figure (``result_rows``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from pgreplterm.errors import PgReplTermError
from pgreplterm.tui.ink import Ink, Row, wrap
from pgreplterm.tui.place import Place
from pgreplterm.tui.scroll import Scroll

if TYPE_CHECKING:
    from pgreplterm.drill.runs import Run
    from pgreplterm.tui.desk import Desk
    from pgreplterm.tui.glyphs import Glyphs

Build = Callable[[int], Sequence[Row]]


class ResultCard(Scroll):
    """The card; empty until ``show``."""

    def __init__(self) -> None:
        super().__init__()
        self._build: Build = lambda _: ()

    def show(self, build: Build) -> None:
        """From now on the rows that build makes for a width."""
        self._build = build
        self.rebuild()

    def build(self, width: int) -> Sequence[Row]:
        """As it was told."""
        return self._build(width)


def read_card(run: Run, glyphs: Glyphs) -> Build:
    """What shows that run's report, or why there is none. Reads files: not for the event loop."""
    from pgreplterm.drill.report import store
    from pgreplterm.tui.drills.past import read_run, report_of
    from pgreplterm.tui.drills.result_rows import failed_rows, result_rows

    try:
        report = report_of(run)
    except PgReplTermError as error:
        reason = str(error)
        return lambda width: failed_rows(run.name, reason, width)
    if report is None:
        past = read_run(run)
        told = f"{past.ended}. {past.line}" if past is not None else "there is no such run any more"
        return lambda width: failed_rows(run.name, told, width)
    comparison = store.compared(report, run.folder.parent)
    return lambda width: result_rows(report, comparison, run, glyphs, width)


class ResultPage(Place):
    """The card of a past run."""

    mode = "drills"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "app.pop_screen", "back")]

    def __init__(self, desk: Desk, run: Run) -> None:
        super().__init__(desk)
        self._run = run

    def body(self) -> ComposeResult:
        """The card."""
        yield ResultCard()

    def on_mount(self) -> None:
        """Say at once that it is read; a long list of runs to compare with takes a moment."""
        card = self.query_one(ResultCard)
        card.focus()
        card.show(lambda width: wrap(f"Reading {self._run.name} ...", width - 1, Ink.DIM, indent=" "))
        self._read()

    @work(exclusive=True, group="result")
    async def _read(self) -> None:
        build = await asyncio.to_thread(read_card, self._run, self.desk.glyphs)
        self.query_one(ResultCard).show(build)
