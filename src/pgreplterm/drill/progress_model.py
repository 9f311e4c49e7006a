"""Where a run stands: its steps, what was found, what it waits for, how it ended.

Owns: these values. Must not: read a journal (``progress``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pgreplterm.drill.check import Check


class RunState(StrEnum):
    """Where a run stands. INTERRUPTED: its engine is gone without a last word."""

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    HEALING = "healing"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


FINISHED = frozenset({RunState.DONE, RunState.FAILED, RunState.INTERRUPTED})


class StepState(StrEnum):
    """Where one step, or one undo, stands."""

    PLANNED = "planned"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StepProgress:
    """One step. started and ended are seconds since the epoch, None is not yet; undo is its sentence, or ""."""

    name: str
    part: str = ""
    will: str = ""
    why: str = ""
    state: StepState = StepState.PLANNED
    started: float | None = None
    ended: float | None = None
    detail: str = ""
    undo: str = ""
    seen: tuple[str, ...] = ()  # what was observed while it ran

    @property
    def seconds(self) -> float | None:
        """How long it took, once it has ended."""
        return self.ended - self.started if self.started is not None and self.ended is not None else None


@dataclass(frozen=True, slots=True)
class UndoProgress:
    """One undo, while things are taken back."""

    sentence: str
    state: StepState = StepState.RUNNING
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What a scenario asked; answer is None until it was given, right None where there is no right one."""

    text: str
    answers: tuple[str, ...] = ()
    answer: str | None = None
    right: bool | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """A moment the journal marks, in seconds since the epoch."""

    at: float
    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Progress:
    """All a journal has said so far. Instants are seconds since the epoch, None is not yet.

    request and report are as in the journal. paused_before is the step that waits, paused_why its explanation.
    reason is why things are taken back; healed whether the cluster is whole after a failure, None where nothing says.
    """

    state: RunState = RunState.PLANNED
    request: Mapping[str, Any] | None = None
    started: float | None = None
    ended: float | None = None
    recording: str | None = None
    steps: tuple[StepProgress, ...] = ()
    checks: tuple[Check, ...] = ()
    paused_before: str | None = None
    paused_why: str = ""
    question: Question | None = None
    answered: tuple[Question, ...] = ()
    promoting: str | None = None
    marks: tuple[Noted, ...] = ()
    reason: str = ""
    undos: tuple[UndoProgress, ...] = ()
    report: Mapping[str, Any] | None = None
    failure: str | None = None
    healed: bool | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing more is expected of it."""
        return self.state in FINISHED

    @property
    def current(self) -> StepProgress | None:
        """The innermost step under way: that of a drill within a scenario's step."""
        return next((step for step in reversed(self.steps) if step.state is StepState.RUNNING), None)
