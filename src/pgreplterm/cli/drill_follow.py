"""Following a run from a terminal: its words on stderr, the keys of a learner, Ctrl-C and the loss of the terminal.

Owns: what a signal or a key means here, and how following ended. Must not: run anything; the engine does, and goes on
whatever becomes of this program.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.cli.drill_narration import KEYS, Narration
from pgreplterm.errors import ExitCode, PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.drill.runs import Run

LOOK_EVERY = 0.05


@dataclass(frozen=True, slots=True)
class Ending:
    """How following ended. word is the last event, None after a detach; aborted: we asked for it."""

    word: Mapping[str, Any] | None
    aborted: bool = False
    began: bool = True  # whether the run came as far as its first step
    hung_up: bool = False

    @property
    def report(self) -> Mapping[str, Any] | None:
        """The report, as JSON, of a run that came to its end."""
        return self.word.get("report") if self.word is not None else None

    @property
    def code(self) -> int:
        """The exit status."""
        if self.word is None:
            return ExitCode.INTERRUPTED if self.hung_up or self.aborted else ExitCode.OK
        if self.report is not None:
            return ExitCode.OK if self.report.get("outcome") == "passed" else ExitCode.DRILL_FAILED
        if self.aborted:
            return ExitCode.INTERRUPTED
        return ExitCode.DRILL_FAILED if self.began else ExitCode.FINDING


class Attachment:
    """Follows one run. With aborts the first Ctrl-C has it taken back and the second detaches; else the first does."""

    def __init__(self, run: Run, aborts: bool) -> None:
        self._run = run
        self._aborts = aborts
        self._narration = Narration(_stderr_width())
        self._interrupts = 0
        self._hung_up = False
        self._detached = False
        self._aborted = False
        self._began = False
        self._answers: list[str] | None = None  # of the question that waits; empty: a step waits
        self._typed = b""

    def follow(self) -> Ending:
        """Until the run has ended or we are detached."""
        from pgreplterm.drill.engine.follow import Follower

        follower = Follower(self._run)
        last: Mapping[str, Any] | None = None
        with self._signals():
            while not follower.over and not self._leaves():
                for event in follower.news():
                    last = event
                    self._show(event)
                if not follower.over:
                    self._wait()
        return Ending(last if follower.over else None, self._aborted, self._began, self._hung_up)

    def _show(self, event: Mapping[str, Any]) -> None:
        kind = event.get("event")
        self._began = self._began or kind == "running"
        for line in self._narration.lines(event):
            self._say(line)
        if kind in ("paused", "asked"):
            self._answers = list(event.get("answers") or [])
            self._say(self._prompt(asked=kind == "asked"))
        elif kind in ("resumed", "answered", "healing"):
            self._answers = None

    def _prompt(self, asked: bool) -> str:
        if not _has_keys():
            command = "answer TEXT" if asked else "step"
            return f"  waiting for 'pgreplterm drill {command}', resume or abort"
        return "Type the answer, or its number." if asked else KEYS

    def _wait(self) -> None:
        """Let some time pass, or hear a key when the run waits for one."""
        if self._answers is None or not _has_keys():
            time.sleep(LOOK_EVERY)
            return
        if not select.select([sys.stdin], [], [], LOOK_EVERY)[0]:
            return
        try:
            typed = os.read(sys.stdin.fileno(), 1024)
        except OSError:
            typed = b""
        if not typed:
            self._hung_up = True
        *lines, self._typed = (self._typed + typed).split(b"\n")
        for line in lines:
            self._hear(line.decode("utf-8", "replace").strip())

    def _hear(self, line: str) -> None:
        from pgreplterm.drill.engine.tell import Command

        answers = self._answers
        if answers:
            is_number = line.isdecimal() and 0 < int(line) <= len(answers)
            self._tell(Command.ANSWER, answers[int(line) - 1] if is_number else line)
        elif line.lower() in ("", "c"):
            self._tell(Command.RESUME if line else Command.STEP)
        elif line.lower() == "a":
            self._abort()
        elif line.lower() == "d":
            self._detached = True
        else:
            self._say(KEYS)

    def _tell(self, command: Any, text: str = "") -> None:
        from pgreplterm.drill.engine.tell import send

        self._answers = None
        with suppress(PgReplTermError):  # it has ended meanwhile, as we shall see
            send(self._run, command, text)

    def _abort(self) -> None:
        from pgreplterm.drill.engine.tell import abort

        self._aborted = True
        self._say("aborting: what was done is taken back; Ctrl-C again leaves it to that")
        with suppress(PgReplTermError):
            abort(self._run)

    def _leaves(self) -> bool:
        if self._interrupts and self._aborts and not self._aborted:
            self._abort()
        if self._interrupts > (1 if self._aborts else 0):
            self._detached = True
        if self._detached and not self._hung_up:
            self._say(f"detached; the run goes on: pgreplterm drill attach {self._run.name}")
        return self._detached or self._hung_up

    def _say(self, line: str) -> None:
        try:
            click.echo(line, err=True)
        except OSError:  # the terminal is gone; the run is not
            self._hung_up = True

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def interrupt(number: int, frame: object) -> None:  # noqa: ARG001
            self._interrupts += 1

        def hang_up(number: int, frame: object) -> None:  # noqa: ARG001
            self._hung_up = True

        wanted = {signal.SIGINT: interrupt, signal.SIGTERM: interrupt, signal.SIGHUP: hang_up}
        before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _has_keys() -> bool:
    try:
        return sys.stdin.isatty() and sys.stderr.isatty()
    except ValueError:  # it is closed
        return False


def _stderr_width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stderr.isatty() else None


def show_ending(run: Run, ending: Ending, as_json: bool) -> int:
    """The report on stdout, where there is one; the exit status."""
    import json

    from pgreplterm.cli.tables import terminal_width
    from pgreplterm.drill.report.document import from_document
    from pgreplterm.drill.report.text import as_text

    if ending.report is not None:
        if as_json:
            click.echo(json.dumps(ending.report, indent=2))
        else:
            click.echo(as_text(from_document(ending.report), terminal_width() or 80))
        click.echo(f"kept in {run.folder}", err=True)
    return ending.code
