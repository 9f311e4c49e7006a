"""The application: places on digits, one stream of news, one way out.

Owns: the state every place reads, the keys that work everywhere, the exit code.
Must not: draw, or know what a place shows.
"""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from importlib import import_module
from typing import ClassVar

from textual import events, work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.worker import Worker, WorkerState

from pgreplterm.drill.request import Request
from pgreplterm.errors import ExitCode, PgReplTermError
from pgreplterm.tui import glyphs
from pgreplterm.tui.chrome import PLACES
from pgreplterm.tui.desk import Desk
from pgreplterm.tui.drills.following import Following
from pgreplterm.tui.drills.runner import DrillRunner
from pgreplterm.tui.driver import SteadyDriver
from pgreplterm.tui.help import HelpPage
from pgreplterm.tui.leave import HEAL, LEAVE, LeavePage
from pgreplterm.tui.messages import ClusterNews, StartRun
from pgreplterm.tui.options import TuiOptions
from pgreplterm.tui.overview.changes import Weight
from pgreplterm.tui.place import Place
from pgreplterm.tui.sources import ClusterSource
from pgreplterm.tui.view import ClusterView

HOMES = {
    "overview": ("pgreplterm.tui.overview.screen", "OverviewPlace"),
    "timelines": ("pgreplterm.tui.timelines.screen", "TimelinesPlace"),
    "wal": ("pgreplterm.tui.wal.screen", "WalPlace"),
    "drills": ("pgreplterm.tui.drills.screen", "DrillsPlace"),
    "events": ("pgreplterm.tui.events.screen", "EventsPlace"),
}
SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
PLAYER_KEYS = (  # key, method of the player with its argument, description, name of the key, whether always shown
    ("right", "step', 1", "forward", "Right", True),
    ("left", "step', -1", "back", "Left", True),
    ("n", "seek_mark', 1", "next mark", "n", True),
    ("p", "seek_mark', -1", "mark before", "p", False),
    ("full_stop", "skip', 10", "10 s forward", ".", False),
    ("comma", "skip', -10", "10 s back", ",", False),
    ("right_square_bracket", "change_speed', 1", "faster", "]", False),
    ("left_square_bracket", "change_speed', -1", "slower", "[", False),
    ("less_than_sign", "seek_end', -1", "first snapshot", "<", False),
    ("greater_than_sign", "seek_end', 1", "last snapshot", ">", False),
)
FULL = 15  # queued terminal writes beyond which a frame is dropped; at 30 Textual would block the loop


class ReplTermApp(App[None]):
    """One watched cluster."""

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1", "help", "help", key_display="?", id="help"),
        *(Binding(digit, f"go('{mode}')", title, show=False, id=f"go.{mode}") for digit, title, mode in PLACES if mode),
        Binding("1-7", "nowhere", "go", key_display="1-7"),
        Binding("space", "pause", "pause", id="pause"),
        Binding("D", "drill", "drill", id="drill"),
        Binding("q", "leave", "quit", id="quit"),
        Binding("ctrl+c", "interrupt", "interrupt", show=False, priority=True),
        Binding("ctrl+q", "leave", "quit", show=False, priority=True),
    ]

    def __init__(
        self,
        source: ClusterSource,
        *,
        drills: bool = False,
        lab_name: str | None = None,
        options: TuiOptions | None = None,
        runner: DrillRunner | None = None,
    ) -> None:
        super().__init__(driver_class=SteadyDriver)
        self.theme = "ansi-dark"
        options = options or TuiOptions()
        view = ClusterView(source.title, source.interval, limits=options.limits)
        self.desk = Desk(
            source,
            view,
            glyphs.for_terminal(options.ascii_only),
            lab=lab_name,
            drills_armed=drills,
            runner=runner or DrillRunner(),
            wal_path=options.wal_path,
        )
        self._following = Following(self.desk)
        self._leaves_when_healed = False
        for key, action, what, name, show in PLAYER_KEYS if self.desk.player is not None else ():
            self.bind(key, f"play('{action})", description=what, key_display=name, show=show)
        for mode, home in HOMES.items():
            self.add_mode(mode, partial(self._open, *home))

    def _open(self, module: str, name: str) -> Place:
        """A place is imported when it is first gone to: the first frame does not wait for the others."""
        place: type[Place] = getattr(import_module(module), name)
        return place(self.desk)

    async def on_mount(self) -> None:
        """Show the first place at once; only once it is painted is the cluster built, imported for, or asked."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._end, 128 + number)
        self.set_interval(1.0, self._look_for_silence)
        self.set_interval(1.0, self._look_at_size)
        await self.switch_mode("overview")
        self.screen.call_after_refresh(self._listen)
        self.screen.call_after_refresh(self._follow_runs)

    @work(exclusive=True, group="news", exit_on_error=False)
    async def _listen(self) -> None:
        async for event in self.desk.source.events():
            self.post_message(ClusterNews(event))

    def on_cluster_news(self, news: ClusterNews) -> None:
        """Fold it in; repaint unless paused or the terminal is behind."""
        self.desk.view.take(news.event)
        if not self.desk.paused:
            self._show()

    def _show(self) -> None:
        driver = self._driver
        if isinstance(driver, SteadyDriver) and driver.backlog > FULL:
            return  # the next tick paints the same state, and nothing queues up behind a slow link
        for screen in self.screen_stack:
            if isinstance(screen, Place):
                screen.show_view()

    def _look_for_silence(self) -> None:
        if self.desk.view.silence(self.desk.clock()) is not None:
            self._show()

    def _look_at_size(self) -> None:
        """A SIGWINCH that got lost on the way would leave the screen as wide as it was for ever."""
        driver = self._driver
        if isinstance(driver, SteadyDriver) and (size := driver.terminal_size) != self.screen.size:
            resize = events.Resize(size, size)
            self.post_message(resize)
            self.screen.post_message(resize)

    async def action_go(self, mode: str) -> None:
        """To another place."""
        await self.switch_mode(mode)

    def action_pause(self) -> None:
        """Hold the display; collection goes on. A recording itself is held, or goes on."""
        if self.desk.player is not None:
            self.desk.player.toggle()
        else:
            self.desk.paused = not self.desk.paused
        self._show()

    def action_play(self, move: str, count: int) -> None:
        """Through a recording: move is a method of its player."""
        getattr(self.desk.player, move)(count)
        self._show()

    def action_help(self) -> None:
        """The keys of this place."""
        self.push_screen(HelpPage(self.screen.active_bindings.values()))

    async def action_drill(self) -> None:
        """The chooser; the run page while something runs."""
        await self.switch_mode("drills")
        if self.desk.runner.running:
            self._show_run()

    def _show_run(self) -> None:
        from pgreplterm.tui.drills.run_page import RunPage

        if not isinstance(self.screen, RunPage):
            self.push_screen(RunPage(self.desk))

    def on_start_run(self, message: StartRun) -> None:
        """A plan was read, and its name typed."""
        self._start_run(message.request)

    @work(group="start", exit_on_error=False)
    async def _start_run(self, request: Request) -> None:
        from pgreplterm.tui.drills.plan_page import PlanPage

        page, view = self.screen, self.desk.view
        try:
            await asyncio.to_thread(self.desk.runner.start, request)
        except (PgReplTermError, OSError) as error:
            view.note(Weight.CRITICAL, f"{request.name} could not be started: {error}")
            if isinstance(page, PlanPage):
                page.refuse(str(error))
            return
        view.note(Weight.WARNING, f"{request.kind} {request.name} started on {request.lab}")
        if isinstance(page, PlanPage) and page is self.screen:
            self.pop_screen()
            self._show_run()
        self._following.wake()

    @work(group="drill", exit_on_error=False)
    async def _follow_runs(self) -> None:
        """What we started, or what runs on the watched lab without us."""
        async for _ in self._following.news():
            self._show()
            if self._leaves_when_healed and not self.desk.runner.running:
                self._end(ExitCode.OK)

    def action_nowhere(self) -> None:
        """The digits are shown as one key; nothing is bound to that name."""

    def action_leave(self) -> None:
        """Quit; while a drill runs, say first that it goes on."""
        if self.desk.runner.running:
            self.push_screen(LeavePage(self.desk.runner.what), self._leave_answered)
        else:
            self._end(ExitCode.OK)

    def _leave_answered(self, answer: str | None) -> None:
        if answer == LEAVE or (answer == HEAL and not self.desk.runner.running):
            self._end(ExitCode.OK)
        elif answer == HEAL:
            self._leaves_when_healed = True
            try:
                self.desk.runner.abort()
            except PgReplTermError as error:
                self.desk.view.note(Weight.CRITICAL, str(error))

    def action_interrupt(self) -> None:
        """Ctrl-C."""
        self._end(ExitCode.INTERRUPTED)

    def on_terminal_lost(self) -> None:
        """Input ended without a signal (nohup, a closed multiplexer)."""
        self._end(128 + signal.SIGHUP)

    def on_worker_state_changed(self, change: Worker.StateChanged) -> None:
        """A poller that failed is a line among the events, and the screen lives on."""
        if change.state is WorkerState.ERROR:
            error = change.worker.error
            self.desk.view.note(Weight.CRITICAL, f"{change.worker.group} failed: {type(error).__name__}: {error}")
            self._show()

    @property
    def failure(self) -> Exception | None:
        """The defect that ended the application, if one did."""
        return self._exception

    def _print_error_renderables(self) -> None:
        """Nothing: Textual's traceback shows local variables, and a connection string may be one of them."""

    def _end(self, code: int) -> None:
        if isinstance(self._driver, SteadyDriver):
            self._driver.leave()
        self.exit(return_code=int(code))
