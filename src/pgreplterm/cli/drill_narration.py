"""A run's journal as lines for stderr.

Owns: the wording of each event. Must not: print, or read the journal.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pgreplterm.cluster.words import printable

Event = Mapping[str, Any]

KEYS = "Enter: do it   c: go on without stopping   a: abort and take it back   d: detach"


class Narration:
    """Keeps what an event refers back to: the plan."""

    def __init__(self, width: int | None) -> None:
        """width is that of the terminal; None: lines are as long as they are."""
        self._width = width
        self._plan: list[Mapping[str, Any]] = []

    def lines(self, event: Event) -> list[str]:
        """What to say about it; nothing for those that need no words."""
        tell = _WORDS.get(str(event.get("event")))
        if event.get("event") == "planned":
            self._plan += event.get("steps") or []
        if event.get("event") == "paused":
            return self._folded(self._pause(event))
        return self._folded(tell(event) if tell is not None else [])

    def _pause(self, event: Event) -> list[str]:
        wanted = (event.get("before"), event.get("part") or "")
        names = [(step.get("name"), step.get("part") or "") for step in self._plan]
        place = names.index(wanted) if wanted in names else None
        number = f" ({place + 1} of {len(names)})" if place is not None else ""
        will = f": {self._plan[place].get('will')}" if place is not None else ""
        return [f"next: {_name(event, 'before')}{number}{will}", f"  {event.get('why') or ''}"]

    def _folded(self, lines: Sequence[str]) -> list[str]:
        if self._width is None:
            return [printable(line).rstrip() for line in lines if line.strip()]
        return [part for line in lines for part in _fold(printable(line), self._width)]


def _fold(line: str, width: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(line, max(width, 20), subsequent_indent=indent + "  ", drop_whitespace=True)


def _name(event: Event, key: str = "step") -> str:
    part = event.get("part")
    return f"{part}: {event.get(key)}" if part else str(event.get(key))


def _done(event: Event) -> list[str]:
    return [f"{_name(event)}: {event['detail']}"] if event.get("detail") else []


def _preflight(event: Event) -> list[str]:
    checks = event.get("checks") or []
    loud = [each for each in checks if each.get("verdict") != "ok"]
    lines = [f"preflight: {len(checks) - len(loud)} of {len(checks)} checks are ok"]
    for each in loud:
        remedy = f" ({each['remedy']})" if each.get("remedy") else ""
        lines.append(f"  {each.get('verdict')}: {each.get('name')}: {each.get('evidence')}{remedy}")
    return lines


def _asked(event: Event) -> list[str]:
    answers = event.get("answers") or []
    return [f"question: {event.get('question')}", *(f"  {n}. {text}" for n, text in enumerate(answers, start=1))]


def _answered(event: Event) -> list[str]:
    if event.get("answer") is None:
        return ["  nobody is there to answer"]
    judged = {True: " - right", False: " - not so"}.get(event.get("right"), "")  # type: ignore[arg-type]
    return [f"  answer: {event['answer']}{judged}"]


def _failed(event: Event) -> list[str]:
    lines = [f"failed: {event.get('detail')}"]
    return lines if event.get("healed", True) else [*lines, "the cluster is not whole yet: 'pgreplterm drill heal'"]


def _recording(event: Event) -> list[str]:
    return [f"there is no recording of this run: {event.get('detail')}"] if not event.get("path") else []


_WORDS: Mapping[str, Callable[[Event], list[str]]] = {
    "recording": _recording,
    "preflight": _preflight,
    "step_started": lambda event: [f"{_name(event)} ..."],
    "observation": lambda event: [f"  {event.get('detail')}"],
    "promoting": lambda event: [f"  promoting {event.get('node')}"],
    "step_done": _done,
    "step_failed": lambda event: [f"{_name(event)} failed: {event.get('detail')}"],
    "asked": _asked,
    "answered": _answered,
    "healing": lambda event: [f"taking it back: {event.get('reason')}"],
    "undo_done": lambda event: [f"  done: {event.get('detail')}"],
    "undo_failed": lambda event: [f"  it failed: {event.get('detail')}"],
    "not_whole": lambda event: [f"  still not right: {event.get('detail')}"],
    "failed": _failed,
    "interrupted": lambda event: [f"interrupted: {event.get('detail')}"],
}
