"""The Drills place: what can be rehearsed, and what came of it before.

Owns: the chooser, its filter, and the way to the plan page, the run page and a result card.
Must not: run anything, or shorten the way to it.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from pgreplterm.drill.request import Kind
from pgreplterm.tui.chrome import Rule
from pgreplterm.tui.desk import Desk
from pgreplterm.tui.drills.entries import Entry, drills, scenarios
from pgreplterm.tui.drills.lists import About, Chooser, Panes
from pgreplterm.tui.drills.past import PastRun, PastRuns
from pgreplterm.tui.drills.plan_page import PlanPage
from pgreplterm.tui.drills.result import ResultPage
from pgreplterm.tui.drills.run_page import RunPage
from pgreplterm.tui.place import Place

SCENARIO_LAB = "scenario"
"""What the lab is called that a scenario makes for itself, here and on the command line."""


class DrillsPlace(Place):
    """Place 6."""

    mode = "drills"
    DEFAULT_CSS: ClassVar[str] = (
        "DrillsPlace Chooser { height: 1fr; min-height: 4; } DrillsPlace Panes { height: 2; }"
        "DrillsPlace Input { height: 1; width: 40; margin: 0 0 0 1; background: ansi_default; text-style: underline; }"
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "turn(1)", "next list", key_display="Tab"),
        Binding("shift+tab", "turn(-1)", "list before", show=False),
        Binding("slash", "find", "filter", key_display="/"),
        Binding("v", "run", "view run"),
        Binding("escape", "clear", "no filter", show=False),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._past = PastRuns()
        self._chooser = Chooser(desk, self._past)
        self._known: tuple[object, ...] = ()

    def body(self) -> ComposeResult:
        """Which list, the list, what is said about a row."""
        yield Panes(self.desk, self._chooser)
        yield self._chooser
        yield Rule(self.desk, "about")
        yield About(self._chooser, self._past)
        field = Input(id="filter", compact=True, placeholder="words that a row must have")
        field.cursor_blink = False
        field.display = False
        yield field

    def on_mount(self) -> None:
        """The drills are known at once; scenarios are files."""
        self._chooser.focus()
        self._read_entries()

    def show_view(self) -> None:
        """Also read the runs again when one has begun or ended."""
        runner = self.desk.runner
        known = (runner.run, runner.running)
        if known != self._known:
            self._known = known
            self._read_runs()
        super().show_view()
        self._chooser.refresh_changed()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """There may be no run to show."""
        return None if action == "run" and self.desk.runner.run is None else True

    def action_turn(self, step: int) -> None:
        """Another list."""
        self._chooser.turn(step)
        self.show_view()

    def action_find(self) -> None:
        """Ask for the words of the filter."""
        field = self.query_one("#filter", Input)
        field.value = self._chooser.words
        field.display = True
        field.focus()

    def action_clear(self) -> None:
        """Out of the field; all rows again."""
        self._filtered("")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The words of the filter."""
        self._filtered(event.value.strip())

    def _filtered(self, text: str) -> None:
        self.query_one("#filter", Input).display = False
        self._chooser.focus()
        if text != self._chooser.words:
            self._chooser.filter(text)
        self.show_view()

    def action_run(self) -> None:
        """The run that is followed, or was last."""
        self.app.push_screen(RunPage(self.desk))

    def on_row_list_moved(self) -> None:
        """Another row under the cursor."""
        self.query_one(About).rebuild()

    def on_row_list_chosen(self) -> None:
        """Enter: the plan of a drill or a scenario, the result of a past run."""
        item = self._chooser.item
        if isinstance(item, PastRun):
            self.app.push_screen(ResultPage(self.desk, item.run))
        elif item is not None:
            self._open_plan(item)

    def _open_plan(self, entry: Entry) -> None:
        lab = self.desk.owned_lab if entry.kind is Kind.DRILL else SCENARIO_LAB
        if lab is not None:
            last = self._past.last_of(entry.kind, entry.key)
            self.app.push_screen(PlanPage(self.desk, entry, lab, last))

    @work(exclusive=True, group="entries", exit_on_error=False)
    async def _read_entries(self) -> None:
        self._chooser.drills = await asyncio.to_thread(drills)
        self.show_view()
        self._chooser.scenarios = await asyncio.to_thread(scenarios)
        self.show_view()

    @work(exclusive=True, group="past", exit_on_error=False)
    async def _read_runs(self) -> None:
        await asyncio.to_thread(self._past.read)
        if self.is_current:
            self.show_view()
