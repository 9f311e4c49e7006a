"""What an engine is told while it runs, from a file in the run's folder.

Owns: reading ``control.jsonl`` between steps, and waiting there. Must not: abort (a signal does).

One JSON object a line: ``command`` is pause, resume, step (the next step, and wait before the one after it) or
answer, with its ``text``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from pgreplterm.drill.control import Aborted
from pgreplterm.drill.engine.tail import Event, Tail
from pgreplterm.drill.journal import Journal
from pgreplterm.drill.procedure import Step
from pgreplterm.drill.runs import Run

LOOK_EVERY = 0.05
"""Seconds between two looks while a run waits."""


class FileControl:
    """A Control. interactive: somebody is there, so every step waits for a word and every question for an answer."""

    def __init__(
        self,
        run: Run,
        interactive: bool,
        listen: Callable[[Event], None] = lambda _: None,
        gone: Callable[[], bool] = lambda: False,
    ) -> None:
        """listen is told what is journaled here; gone says that there is nothing left to wait for: it is aborted."""
        self._run = run
        self._interactive = interactive
        self._listen = listen
        self._gone = gone
        self._commands = Tail(run.control)
        self._holds = interactive
        self._permits = 0
        self._answers: list[str] = []

    def before(self, step: Step, part: str) -> None:
        """Return when the step may begin."""
        self._hear()
        if self._holds and not self._permits:
            self._write("paused", before=step.name, part=part, why=step.why)
            while self._holds and not self._permits:
                self._wait()
            self._write("resumed")
        self._permits = max(0, self._permits - 1)

    def ask(self, question: str, answers: Sequence[str], right: str | None) -> str | None:
        """The answer, awaited when somebody is there; None at once when not."""
        self._hear()
        self._answers.clear()  # what came before the question is no answer to it
        self._write("asked", question=question, answers=list(answers))
        while self._interactive and not self._answers:
            self._wait()
        answer = self._answers.pop(0) if self._answers else None
        is_right = None if answer is None or right is None else answer.strip().casefold() == right.strip().casefold()
        self._write("answered", answer=answer, right=is_right)
        return answer

    def _wait(self) -> None:
        time.sleep(LOOK_EVERY)
        if self._gone():
            raise Aborted("the lab is gone")
        self._hear()

    def _hear(self) -> None:
        for each in self._commands.news():
            match each.get("command"):
                case "pause":
                    self._holds, self._permits = True, 0
                case "resume":
                    self._holds, self._permits = False, 0
                case "step":
                    self._holds, self._permits = True, self._permits + 1
                case "answer":
                    self._answers.append(str(each.get("text", "")))

    def _write(self, event: str, **details: Any) -> None:
        with closing(Journal(self._run.journal, self._listen)) as journal:
            journal.write(event, **details)
