"""Following a run from any process, while it runs and afterwards.

Owns: the events as they come, and noticing that the engine is gone. Must not: show them, or tell the engine anything.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from pgreplterm.drill.engine import identity
from pgreplterm.drill.engine.standing import LAST_WORDS
from pgreplterm.drill.engine.tail import Event, Tail
from pgreplterm.drill.runs import Run

LOOK_EVERY = 0.05
"""Seconds between two looks at the journal."""


class Follower:
    """Look with ``news`` as often as you like; ``over`` once the run has ended, whichever way."""

    def __init__(self, run: Run, from_start: bool = True) -> None:
        """from_start False passes over what has been, but for its last word."""
        self.over = False
        self._run = run
        self._tail = Tail(run.journal)
        self._passing_over = not from_start

    def news(self) -> list[Event]:
        """The events since the last call; at the end of an engine without a last word, one named ``interrupted``."""
        if self.over:
            return []
        alive = identity.is_alive(self._run)  # before the look: it may say its last word in between
        events = self._tail.news()
        ended = bool(events) and events[-1].get("event") in LAST_WORDS
        if self._passing_over:
            events, self._passing_over = events[-1:] if ended else [], False
        self.over = ended or not alive
        return events if ended or alive else [*events, _interrupted(self._run)]


def follow(run: Run, from_start: bool = True) -> Iterator[Event]:
    """Its events as they come, until ``done``, ``failed`` or ``interrupted``."""
    follower = Follower(run, from_start)
    while not follower.over:
        yield from follower.news()
        if not follower.over:
            time.sleep(LOOK_EVERY)


def _interrupted(run: Run) -> Event:
    found = identity.read(run)
    lab = f" --lab {found.lab}" if found is not None else ""
    return {
        "t": time.time(),
        "event": "interrupted",
        "detail": f"the engine is gone without a last word; 'pgreplterm drill heal{lab}' takes back what is to be",
    }
