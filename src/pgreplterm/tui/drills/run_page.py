"""The run page: what goes on, and what it can be told.

Owns: the panel, the stopwatch while the run lasts, and the keys that hold, step, answer and abort.
Must not: end a run by leaving the page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.timer import Timer

from pgreplterm.drill.progress_model import Progress, RunState
from pgreplterm.errors import PgReplTermError
from pgreplterm.tui.choice import Choice, ChoicePage
from pgreplterm.tui.desk import Desk
from pgreplterm.tui.drills import other_lab
from pgreplterm.tui.drills.probe_strip import ProbeStrip
from pgreplterm.tui.drills.result import ResultCard, read_card
from pgreplterm.tui.drills.run_panel import RunPanel
from pgreplterm.tui.drills.writers import Writers
from pgreplterm.tui.place import Place

STOPWATCH = 0.25  # seconds between two looks at the clock, only while a run lasts
MOST_ANSWERS = 9
ACTIONS = ("hold", "step", "answer", "abort")


class RunPage(Place):
    """The run that the terminal follows; once it is done, its result."""

    mode = "drills"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "back"),
        Binding("X", "abort", "heal"),
        Binding("space", "hold", "pause"),
        Binding("enter,n", "step", "next step"),
        Binding("a", "answer", "answer"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._stopwatch: Timer | None = None
        self._carded: object = None
        self._following = False

    def body(self) -> ComposeResult:
        """The panel, and the card that takes its place."""
        yield RunPanel(self.desk)
        card = ResultCard()
        card.display = False
        yield card

    def on_mount(self) -> None:
        """The stopwatch goes only while the run does; the writers and a lab of its own are looked at beside it."""
        self._stopwatch = self.set_interval(STOPWATCH, self._tick, pause=True)

    def _follow_once(self) -> None:
        """As soon as the journal says which lab it is."""
        if not self._following and self.desk.runner.lab:
            self._following = True
            self._follow_writers()
            self._follow_lab()

    def show_view(self) -> None:
        """Another tick or another event."""
        super().show_view()
        progress = self.desk.runner.progress
        if self._stopwatch is not None:
            (self._stopwatch.resume if self.desk.runner.running else self._stopwatch.pause)()
        self._follow_once()
        if progress is not None and progress.state is RunState.DONE and self._carded is not self.desk.runner.run:
            self._carded = self.desk.runner.run
            self._read_card()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """What does not apply now stays in its place, dim; nothing applies to a run that has ended well."""
        runner = self.desk.runner
        progress = runner.progress or Progress()
        if action in ACTIONS and not runner.running and not runner.wants_healing:
            return False
        allowed = {
            "hold": runner.running and not runner.healing,
            "step": progress.state is RunState.PAUSED,
            "answer": progress.question is not None,
            "abort": (runner.running and progress.state is not RunState.HEALING) or runner.wants_healing,
        }
        return True if allowed.get(action, True) else None

    def action_hold(self) -> None:
        """Wait before the next step, or go on without waiting again."""
        progress = self.desk.runner.progress
        paused = progress is not None and progress.state is RunState.PAUSED
        self._try(lambda: self.desk.runner.tell("resume" if paused else "pause"))

    def action_step(self) -> None:
        """The next step, then wait again."""
        self._try(lambda: self.desk.runner.tell("step"))

    def action_answer(self) -> None:
        """Ask for the number of an answer."""
        progress = self.desk.runner.progress
        if progress is None or progress.question is None:
            return
        question = progress.question
        choices = [
            Choice(str(number), str(number), text, text)
            for number, text in enumerate(question.answers[:MOST_ANSWERS], start=1)
        ]
        self.app.push_screen(ChoicePage(question.text, "", choices), self._answered)

    def _answered(self, text: str | None) -> None:
        if text is not None:
            self._try(lambda: self.desk.runner.tell("answer", text))

    def action_abort(self) -> None:
        """Ask once, then abort a run, or heal one that was cut off."""
        runner = self.desk.runner
        if runner.wants_healing:
            text = "What it did is taken back; after a promotion has begun, it is brought to its end."
            choice = Choice("X", "X", "heal it now", "heal")
            self.app.push_screen(ChoicePage(f"Heal {runner.what}?", text, [choice], "leave it as it is"), self._aborted)
        else:
            text = "The step under way is cut short; what was done is taken back."
            choice = Choice("X", "X", "abort and heal", "abort")
            self.app.push_screen(ChoicePage(f"Abort {runner.what}?", text, [choice], "let it go on"), self._aborted)

    def _aborted(self, answer: str | None) -> None:
        if answer == "abort":
            self._try(self.desk.runner.abort)
        elif answer == "heal":
            self._try(self.desk.runner.heal)

    def _try(self, act: Callable[[], None]) -> None:
        panel = self.query_one(RunPanel)
        try:
            act()
            panel.trouble = ""
        except (PgReplTermError, OSError) as error:
            panel.trouble = str(error)
        panel.rebuild()

    def _tick(self) -> None:
        if self.is_current:
            self.query_one(RunPanel).rebuild()

    @work(exclusive=True, group="card")
    async def _read_card(self) -> None:
        run = self.desk.runner.run
        assert run is not None
        build = await asyncio.to_thread(read_card, run, self.desk.glyphs)
        card = self.query_one(ResultCard)
        self.query_one(RunPanel).display = False
        card.display = True
        card.focus()
        card.show(build)

    @work(exclusive=True, group="writers", exit_on_error=False)
    async def _follow_writers(self) -> None:
        runner, panel = self.desk.runner, self.query_one(RunPanel)
        writers: Writers | None = None
        lasts = True
        while lasts:
            progress, lasts = runner.progress, runner.running
            if writers is None and progress is not None and progress.started is not None:
                writers, panel.strip = Writers(runner.lab), ProbeStrip(progress.started)
            if writers is not None and panel.strip is not None:
                panel.strip.add(await asyncio.to_thread(writers.more))
            await asyncio.sleep(STOPWATCH)

    @work(exclusive=True, group="lab", exit_on_error=False)
    async def _follow_lab(self) -> None:
        runner, panel = self.desk.runner, self.query_one(RunPanel)
        if runner.lab == self.desk.owned_lab:
            return
        async for snapshot in other_lab.snapshots(runner.lab):
            panel.other = snapshot
            panel.rebuild()
            if not runner.running:
                return
