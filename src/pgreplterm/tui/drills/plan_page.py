"""The plan page: what is, what will be done, what may be lost, what was checked, and the name to type before any of it.

Owns: the page and what is asked at Enter: the typed name, the checks once more, and that the cluster is still the one
that was shown. A scenario asks for no name: it makes a lab of its own.
Must not: start the run; it asks the application to (``StartRun``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from pgreplterm.drill.request import Kind, Request
from pgreplterm.tui.desk import Desk
from pgreplterm.tui.drills.entries import Entry
from pgreplterm.tui.drills.past import PastRun
from pgreplterm.tui.drills.plan_rows import counted
from pgreplterm.tui.drills.plan_widgets import Answer, PlanRows
from pgreplterm.tui.drills.planning import Plan, arguments_of, make, shape, typed
from pgreplterm.tui.ink import Ink
from pgreplterm.tui.messages import StartRun
from pgreplterm.tui.place import Place


class PlanPage(Place):
    """The way to a run."""

    mode = "drills"
    DEFAULT_CSS = "PlanPage Input { height: 1; width: 60; margin: 0 0 0 1; background: ansi_default; "
    DEFAULT_CSS += "text-style: underline; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "away", "back"),
        Binding("enter", "ask(False)", "run"),
        Binding("s", "ask(True)", "step by step"),
        Binding("o", "options", "options"),
        Binding("m", "mysql", "in MySQL"),
        Binding("e", "explain", "explain"),
        Binding("r", "look", "look again", show=False),
    ]

    def __init__(self, desk: Desk, entry: Entry, lab: str, last: PastRun | None) -> None:
        super().__init__(desk)
        self.entry = entry
        self._lab = lab
        self._rows = PlanRows(desk, entry, lab, last)
        self._arguments: Mapping[str, str] = {}
        self._stepwise = False
        self._sets_options = False

    def body(self) -> ComposeResult:
        """The plan, the question, the field."""
        yield self._rows
        yield Answer()
        field = Input(id="typed", compact=True, select_on_focus=False)
        field.cursor_blink = False
        field.display = False
        yield field

    def on_mount(self) -> None:
        """Make the plan."""
        self._rows.focus()
        self.action_look()

    def show_view(self) -> None:
        """Positions move while the plan is read."""
        super().show_view()
        self._rows.rebuild()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Only what this entry has."""
        drill = self.entry.kind is Kind.DRILL
        has = {"options": bool(self.entry.options), "mysql": bool(self.entry.mysql), "explain": not drill}
        return has.get(action, True)

    def refuse(self, text: str) -> None:
        """Say why nothing was started."""
        self.query_one(Answer).say(f"Not started: {text.rstrip('.')}.", Ink.CRITICAL)

    def action_look(self) -> None:
        """Check everything again."""
        self._rows.plan = None
        self._rows.rebuild()
        self._plan()

    def action_mysql(self) -> None:
        """Show or hide what it is in MySQL."""
        self._rows.mysql = not self._rows.mysql
        self._rows.rebuild()

    def action_explain(self) -> None:
        """Show or hide why each step is taken."""
        self._rows.explain = not self._rows.explain
        self._rows.rebuild()

    def action_options(self) -> None:
        """Edit the options in the field."""
        self._sets_options = True
        self.query_one(Answer).say("Options of the drill as name=value; Enter takes them, Esc leaves them.")
        self._open_field(typed(self._arguments, self.entry.options))

    def action_ask(self, stepwise: bool) -> None:
        """Enter or s: for a drill ask for the lab's name, for a scenario start."""
        self._stepwise = stepwise
        refusal = self._refusal()
        if refusal is not None:
            self.refuse(refusal)
        elif self.entry.kind is Kind.SCENARIO:
            self._start()
        else:
            self._sets_options = False
            how = "run it step by step" if stepwise else "run it"
            self.query_one(Answer).say(f"Type the lab's name, {self._lab}, to {how}.  Enter run   Esc back")
            self._open_field("")

    def action_away(self) -> None:
        """Out of the field; out of the page."""
        field = self.query_one("#typed", Input)
        if field.display:
            self._close_field()
            self._say_ready()
        else:
            self.app.pop_screen()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The options, or the name."""
        if self._sets_options:
            self._take_options(event.value)
        elif event.value.strip() != self._lab:
            self.refuse(f"expected {self._lab}, found {event.value.strip() or 'nothing'}")
        else:
            self.query_one(Answer).say("Looking at everything once more ...")
            self._check_again()

    def _take_options(self, text: str) -> None:
        try:
            self._arguments = arguments_of(text, self.entry.options)
        except ValueError as error:
            self.query_one(Answer).say(f"{str(error)[:1].upper()}{str(error)[1:]}.", Ink.CRITICAL)
            return
        self._close_field()
        self.action_look()

    @work(exclusive=True, group="plan")
    async def _plan(self) -> None:
        plan = await self._made()
        self._rows.plan = plan
        self._rows.rebuild()
        self._say_ready()

    @work(exclusive=True, group="plan")
    async def _check_again(self) -> None:
        """Everything is looked at once more; what has changed is to be read first."""
        shown = self._rows.plan
        plan = await self._made()
        self._rows.plan = plan
        self._rows.rebuild()
        snapshot = self.desk.view.snapshot
        changed = shown is not None and plan.shape != shown.shape
        changed = changed or (snapshot is not None and shape(snapshot) != plan.shape)
        refusal = self._refusal()
        if refusal is not None:
            self.refuse(refusal)
        elif changed:
            self.query_one(Answer).say(
                "Not started: the cluster has changed; read the plan again, then press Enter.", Ink.CRITICAL
            )
        else:
            self._start()

    async def _made(self) -> Plan:
        snapshot, arguments = self.desk.view.snapshot, self._arguments
        return await asyncio.to_thread(make, self.entry, self._lab, snapshot, arguments)

    def _refusal(self) -> str | None:
        """Why it may not start now, or None."""
        if self.entry.kind is Kind.SCENARIO:
            return self.entry.trouble or self.desk.scenario_refusal()
        plan = self._rows.plan
        refusal = self.desk.drill_refusal()
        return refusal or (plan.refusal if plan is not None else None)  # a plan in the making: at Enter all is checked

    def _say_ready(self) -> None:
        refusal, plan = self._refusal(), self._rows.plan
        if refusal is None and self.query_one("#typed", Input).display:
            return  # the question stands
        if refusal is not None:
            self.query_one(Answer).say(f"It may not run: {refusal}.", Ink.WARNING)
        elif self.entry.kind is Kind.SCENARIO:
            self.query_one(Answer).say("Enter runs it, s runs it step by step with an explanation before each.")
        else:
            checks = f"Checks: {counted(plan)}. " if plan is not None else ""
            self.query_one(Answer).say(f"{checks}Enter asks for the lab's name and runs it; s step by step, explained.")

    def _start(self) -> None:
        self._close_field()
        self.query_one(Answer).say("Starting ...")
        entry = self.entry
        self.post_message(StartRun(Request(entry.kind, entry.name, self._lab, self._arguments, self._stepwise)))

    def _open_field(self, text: str) -> None:
        field = self.query_one("#typed", Input)
        field.value = text
        field.cursor_position = len(text)
        field.display = True
        field.focus()

    def _close_field(self) -> None:
        self.query_one("#typed", Input).display = False
        self._rows.focus()
