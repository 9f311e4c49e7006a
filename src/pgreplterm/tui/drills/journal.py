"""A drill's journal, folded into what a screen shows.

Owns: reading journal lines and the frozen progress they add up to.
Must not: touch files or processes, or guess at a step the journal does not name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class StepState(StrEnum):
    """Where one step stands."""

    PLANNED = "planned"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a drill. started and ended are seconds since the epoch; None is not yet."""

    name: str
    state: StepState = StepState.PLANNED
    started: float | None = None
    ended: float | None = None
    detail: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took, once it has ended."""
        return self.ended - self.started if self.started is not None and self.ended is not None else None


@dataclass(frozen=True, slots=True)
class DrillProgress:
    """All a journal has said so far. report is the drill's own, as in its JSON file."""

    steps: tuple[Step, ...] = ()
    started: float | None = None
    ended: float | None = None
    observations: tuple[str, ...] = ()
    report: Mapping[str, Any] | None = None
    failure: str | None = None

    @property
    def finished(self) -> bool:
        """Whether the last word has been written."""
        return self.ended is not None


def parse_line(line: str) -> dict[str, Any] | None:
    """One journal line; None for a torn or foreign one (the writer may be in the middle of it)."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def fold(progress: DrillProgress, event: Mapping[str, Any]) -> DrillProgress:
    """The progress after one more event."""
    at = float(event.get("t") or 0.0)
    name, detail = str(event.get("step") or ""), event.get("detail")
    if progress.started is None:
        progress = replace(progress, started=at)
    match event["event"]:
        case "planned":
            return replace(progress, steps=_planned(progress, name, detail))
        case "step_started":
            return _step(progress, Step(name, StepState.RUNNING, at))
        case "step_done" | "step_failed" as word:
            state = StepState.DONE if word == "step_done" else StepState.FAILED
            return _step(progress, Step(name, state, _started(progress, name), at, describe(detail)))
        case "observation":
            return replace(progress, observations=(*progress.observations, describe(detail) or name))
        case "done":
            return replace(progress, ended=at, report=_report(event))
        case "failed":
            return replace(progress, ended=at, failure=describe(detail) or "the drill failed")
    return progress


def describe(detail: object) -> str:
    """A journal detail as one line: text as it is, a mapping as ``key value`` pairs."""
    if detail is None:
        return ""
    if isinstance(detail, Mapping):
        return ", ".join(f"{key} {_value(value)}" for key, value in detail.items())
    if isinstance(detail, list | tuple):
        return ", ".join(_value(value) for value in detail)
    return str(detail)


def _value(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _planned(progress: DrillProgress, name: str, detail: object) -> tuple[Step, ...]:
    names = detail.get("steps") if isinstance(detail, Mapping) else detail
    if isinstance(names, list | tuple):
        return tuple(Step(_step_name(item)) for item in names)
    return (*progress.steps, Step(name)) if name else progress.steps


def _step_name(item: object) -> str:
    if isinstance(item, Mapping):
        return str(item.get("step") or item.get("name") or item)
    return str(item)


def _step(progress: DrillProgress, step: Step) -> DrillProgress:
    names = [known.name for known in progress.steps]
    if step.name not in names:
        return replace(progress, steps=(*progress.steps, step))
    steps = tuple(step if known.name == step.name else known for known in progress.steps)
    return replace(progress, steps=steps)


def _started(progress: DrillProgress, name: str) -> float | None:
    return next((step.started for step in progress.steps if step.name == name), None)


def _report(event: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in ("report", "detail"):
        body = event.get(key)
        if isinstance(body, Mapping):
            drill = body.get("drill")
            return drill if isinstance(drill, Mapping) else body
    drill = event.get("drill")
    return drill if isinstance(drill, Mapping) else {}
