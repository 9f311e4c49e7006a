"""A run's journal, folded into where the run stands.

Owns: reading journal lines. Pure. Must not: touch files or processes, or guess at a step the journal does not name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.progress_model import Noted, Progress, Question, RunState, StepProgress, StepState, UndoProgress

CUT_OFF = "cut off"
UNDO = "undo: "
"""An observation that begins so is told by the undo's own events; others are what mends the cluster besides."""


def parse_line(line: str) -> dict[str, Any] | None:
    """One journal line; None for a torn or foreign one (the writer may be in the middle of it)."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def folded(lines: Iterable[str]) -> Progress:
    """What all those lines add up to."""
    progress = Progress()
    for line in lines:
        event = parse_line(line)
        progress = progress if event is None else fold(progress, event)
    return progress


def fold(progress: Progress, event: Mapping[str, Any]) -> Progress:
    """The progress after one more event; one it does not know changes nothing.

    ``interrupted`` is no journal line: it is what ``engine.follow`` says when it finds the engine gone.
    """
    at = _number(event.get("t"))
    if progress.started is None:
        progress = replace(progress, started=at)
    word = event["event"]
    if word in ("step_started", "step_done", "step_failed", "observation"):
        return _stepped(progress, word, event, at)
    if word in ("healing", "undo_started", "undo_done", "undo_failed", "not_whole", "done", "failed", "interrupted"):
        return _ending(progress, word, event, at)
    return _between(progress, word, event, at)


def _between(progress: Progress, word: str, event: Mapping[str, Any], at: float) -> Progress:
    match word:
        case "requested":
            return replace(progress, request=_mapping(event.get("request")), started=at)
        case "recording":
            return replace(progress, recording=_text(event.get("path")) or None)
        case "preflight":
            return replace(progress, checks=_checks(event.get("checks")))
        case "planned":
            return replace(progress, steps=_planned(progress.steps, event.get("steps")))
        case "running" | "resumed":
            return replace(progress, state=RunState.RUNNING, paused_before=None, paused_why="")
        case "paused":
            before, why = _text(event.get("before")), _text(event.get("why"))
            return replace(progress, state=RunState.PAUSED, paused_before=before, paused_why=why)
        case "asked":
            answers = tuple(map(_text, _items(event.get("answers"))))
            return replace(progress, question=Question(_text(event.get("question")), answers))
        case "answered" if progress.question is not None:
            given = replace(progress.question, answer=_text(event.get("answer")), right=_truth(event.get("right")))
            return replace(progress, question=None, answered=(*progress.answered, given))
        case "promoting":
            return replace(progress, promoting=_text(event.get("node")))
        case "mark":
            noted = Noted(at, _text(event.get("text")), _text(event.get("kind")) or "step")
            return replace(progress, marks=(*progress.marks, noted))
    return progress


def _ending(progress: Progress, word: str, event: Mapping[str, Any], at: float) -> Progress:
    sentence = _text((_mapping(event.get("undo")) or {}).get("sentence")) or "undo"
    detail = _text(event.get("detail"))
    if word in ("healing", "failed", "interrupted"):
        progress = replace(progress, steps=tuple(_cut_off(step, at) for step in progress.steps))
    match word:
        case "healing":
            reason = _text(event.get("reason")) or detail
            begun = replace(progress, state=RunState.HEALING, reason=reason, ended=None, failure=None, healed=None)
            return replace(begun, paused_before=None, paused_why="", question=None)
        case "undo_started":
            return replace(progress, undos=(*progress.undos, UndoProgress(sentence)))
        case "undo_done" | "undo_failed":
            outcome = StepState.DONE if word == "undo_done" else StepState.FAILED
            return replace(progress, undos=_undone(progress.undos, UndoProgress(sentence, outcome, detail)))
        case "not_whole":
            return replace(progress, healed=False, reason=detail or progress.reason)
        case "done":
            return replace(progress, state=RunState.DONE, ended=at, report=_mapping(event.get("report")) or {})
    state = RunState.INTERRUPTED if word == "interrupted" else RunState.FAILED
    progress = replace(progress, paused_before=None, paused_why="", question=None)
    healed = _truth(event.get("healed", progress.healed))
    failure = detail or progress.reason or "it failed without a reason"
    return replace(progress, state=state, ended=at, failure=failure, healed=healed)


def _stepped(progress: Progress, word: str, event: Mapping[str, Any], at: float) -> Progress:
    name, part, detail = _text(event.get("step")), _text(event.get("part")), _text(event.get("detail"))
    if word == "step_started":
        undo = _text((_mapping(event.get("undo")) or {}).get("sentence"))
        begun = replace(progress, steps=_begun(progress.steps, name, part, undo, at), paused_before=None)
        return replace(begun, state=RunState.RUNNING) if progress.state is RunState.PLANNED else begun
    place = _running(progress.steps, name, part if "part" in event else None)
    if place is None and progress.state is RunState.HEALING and not detail.startswith(UNDO):
        return replace(progress, undos=(*progress.undos, UndoProgress(detail, StepState.DONE)))
    if place is None:
        return progress
    step = progress.steps[place]
    if word == "observation":
        step = replace(step, seen=(*step.seen, detail))
    else:
        state = StepState.DONE if word == "step_done" else StepState.FAILED
        step = replace(step, state=state, ended=at, detail=detail)
    return replace(progress, steps=(*progress.steps[:place], step, *progress.steps[place + 1 :]))


def _cut_off(step: StepProgress, at: float) -> StepProgress:
    """A step that nobody ended, once the run itself has."""
    if step.state is not StepState.RUNNING:
        return step
    return replace(step, state=StepState.FAILED, ended=at, detail=step.detail or CUT_OFF)


def _begun(steps: tuple[StepProgress, ...], name: str, part: str, undo: str, at: float) -> tuple[StepProgress, ...]:
    for place, step in enumerate(steps):
        if (step.name, step.part, step.state) == (name, part, StepState.PLANNED):
            step = replace(step, state=StepState.RUNNING, started=at, undo=undo)
            return (*steps[:place], step, *steps[place + 1 :])
    return _inserted(steps, (StepProgress(name, part, state=StepState.RUNNING, started=at, undo=undo),))


def _running(steps: tuple[StepProgress, ...], name: str, part: str | None) -> int | None:
    """Where the newest running step of that name is; an observation does not say of which part it is."""
    for place in range(len(steps) - 1, -1, -1):
        step = steps[place]
        if step.name == name and step.state is StepState.RUNNING and part in (None, step.part):
            return place
    return None


def _planned(steps: tuple[StepProgress, ...], items: object) -> tuple[StepProgress, ...]:
    """More steps: those of a drill that a running step performs come right behind it."""
    new: list[StepProgress] = []
    for item in _items(items):
        about = _mapping(item)
        if about is not None:
            name, part, will, why = (_text(about.get(key)) for key in ("name", "part", "will", "why"))
            new.append(StepProgress(name, part, will, why))
    return _inserted(steps, tuple(new))


def _inserted(steps: tuple[StepProgress, ...], new: tuple[StepProgress, ...]) -> tuple[StepProgress, ...]:
    running = [place for place, step in enumerate(steps) if step.state is StepState.RUNNING]
    place = running[-1] + 1 if running else len(steps)
    return (*steps[:place], *new, *steps[place:])


def _undone(undos: tuple[UndoProgress, ...], undo: UndoProgress) -> tuple[UndoProgress, ...]:
    for place in range(len(undos) - 1, -1, -1):
        if undos[place].sentence == undo.sentence and undos[place].state is StepState.RUNNING:
            return (*undos[:place], undo, *undos[place + 1 :])
    return (*undos, undo)


def _checks(items: object) -> tuple[Check, ...]:
    return tuple(check_of(about) for item in _items(items) if (about := _mapping(item)) is not None)


def check_of(about: Mapping[str, Any]) -> Check:
    """A check as the journal holds it; a verdict it does not know is a warning, never ok."""
    word = _text(about.get("verdict"))
    verdict = Verdict(word) if word in {each.value for each in Verdict} else Verdict.WARNING
    return Check(_text(about.get("name")), verdict, _text(about.get("evidence")), _text(about.get("remedy")))


def _mapping(value: object) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None


def _items(value: object) -> Iterable[object]:
    return value if isinstance(value, list | tuple) else ()


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
