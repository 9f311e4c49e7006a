"""A recording as a source of snapshots, and the hand that moves through it.

Owns: where the replay is, whether and how fast it plays, and what a screen needs to have seen to look right there.
Must not: draw, bind keys, or read frames (the recording does).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.recording.reader import DamagedRecording, Recording
from pgreplterm.tui.sources import Jumped, Marked, Sampled, Seen, SourceEvent, Trouble

SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
LEAD = 300.0  # seconds before a place jumped to that graphs and events are made from
LEAD_SNAPSHOTS = 100
LEAD_WITHIN = 0.25  # seconds that making them may take
REFRESH = 1 / 15  # seconds; more often no screen is painted
LONGEST_WAIT = 3.0  # seconds of play that a gap in the recording lasts
AT_ONCE = 8  # snapshots shown to the view in one refresh; the rest is passed over


class Player:
    """A ``ClusterSource`` over a recording; the methods that move it may be called at any time."""

    interval = math.inf  # nothing is overdue in a recording
    owned_lab: str | None = None

    def __init__(self, recording: Recording, number: int = 0, *, playing: bool = False) -> None:
        self.title = recording.about.title or recording.path.name
        self.number = number
        self.playing = playing
        self.speed = 1.0
        self._recording = recording
        self._changed = asyncio.Event()
        self._jumped = False
        self._since = time.monotonic()  # when the shown snapshot's turn began
        self._known: dict[int, ClusterSnapshot] = {}

    def __len__(self) -> int:
        return len(self._recording)

    def data_directory(self, node: str) -> Path | None:  # noqa: ARG002
        """No files: they may have changed since."""
        return None

    @property
    def at(self) -> float:
        """The instant of the snapshot that is shown (epoch seconds)."""
        return self._recording.at(self.number)

    @property
    def mark(self) -> tuple[int, str] | None:
        """The number, from 1, and the text of the newest mark at or before it."""
        passed = [(n, mark.text) for n, mark in enumerate(self._recording.marks, 1) if mark.frame <= self.number]
        return passed[-1] if passed else None

    def step(self, count: int) -> None:
        """So many snapshots forward, or backward when negative; play stops."""
        self.playing = False
        self._go(self.number + count)

    def skip(self, seconds: float) -> None:
        """So many seconds forward or backward."""
        wanted, number, step = self.at + seconds, self.number, 1 if seconds > 0 else -1
        while 0 <= number + step < len(self) and (self._recording.at(number) - wanted) * step < 0:
            number += step
        self._go(number)

    def seek_mark(self, step: int) -> None:
        """To the next mark, or with -1 to the one before."""
        frames = [mark.frame for mark in self._recording.marks if (mark.frame - self.number) * step > 0]
        if frames:
            self._go(min(frames) if step > 0 else max(frames))

    def seek_end(self, step: int) -> None:
        """To the last snapshot, or with -1 to the first."""
        self._go(len(self) - 1 if step > 0 else 0)

    def toggle(self) -> None:
        """Play or pause; at the end, play from the beginning."""
        self.playing = not self.playing
        if self.playing and self.number >= len(self) - 1:
            self._go(0)
        self._turn()

    def change_speed(self, step: int) -> None:
        """The next faster or slower one there is."""
        self.speed = SPEEDS[max(0, min(SPEEDS.index(self.speed) + step, len(SPEEDS) - 1))]
        self._turn()

    async def events(self) -> AsyncIterator[SourceEvent]:
        """What leads to where it begins, then snapshots as play or the keys go."""
        yield Jumped(tuple(self._leading()))
        while True:
            try:
                await asyncio.wait_for(self._changed.wait(), self._due())
            except TimeoutError:
                for event in self._played():
                    yield event
                continue
            self._changed.clear()
            if self._jumped:
                self._jumped = False
                yield Jumped(tuple(self._leading()))

    def _go(self, number: int) -> None:
        self.number = max(0, min(number, len(self) - 1))
        self._jumped = True
        self._turn()

    def _turn(self) -> None:
        self._since = time.monotonic()
        self._changed.set()

    def _gap(self, number: int) -> float:
        """Seconds of the recording from that snapshot to the next."""
        gap = self._recording.at(number + 1) - self._recording.at(number)
        return max(0.0, min(gap, LONGEST_WAIT * max(1.0, self.speed)))

    def _due(self) -> float | None:
        """Seconds until the next snapshot's turn; None while nothing plays."""
        if not self.playing or self.number >= len(self) - 1:
            self.playing = False
            return None
        left = self._gap(self.number) / self.speed - (time.monotonic() - self._since)
        return max(REFRESH, left)

    def _played(self) -> Iterator[Seen]:
        """Go on by what has passed since the last refresh."""
        before, budget = self.number, (time.monotonic() - self._since) * self.speed
        while self.number < len(self) - 1 and self._gap(self.number) <= budget:
            budget -= self._gap(self.number)
            self.number += 1
        self._since = time.monotonic() - budget / self.speed
        passed = range(before + 1, self.number + 1)
        stride = max(1, math.ceil(len(passed) / AT_ONCE))
        yield from self._shown(sorted({*passed[::stride], *passed[-1:]}), before)

    def _leading(self) -> Iterator[Seen]:
        """Snapshots and marks up to this one: evenly spread, and no more than can be had in a moment."""
        numbers, deadline = [self.number], time.monotonic() + LEAD_WITHIN
        for number in self._spread():
            if time.monotonic() > deadline:
                break
            self._load(number)
            numbers.append(number)
        if self._recording.damage is not None:
            yield self._trouble(self._recording.damage)
        yield from self._shown(sorted(numbers), min(numbers) - 1)

    def _spread(self) -> Iterator[int]:
        """Backwards, on a grid that stays in place while the replay moves, so that most are known already."""
        first = self.number
        while first > 0 and 0 <= self.at - self._recording.at(first - 1) <= LEAD:
            first -= 1
        stride = 1
        while (self.number - first) // stride > LEAD_SNAPSHOTS:
            stride *= 2
        return (number for number in range(self.number - 1, first - 1, -1) if number % stride == 0)

    def _shown(self, numbers: list[int], after: int) -> Iterator[Seen]:
        """These snapshots, each behind the marks that lie between it and the one before."""
        for number in numbers:
            for mark in self._recording.marks:
                if after < mark.frame <= number:
                    yield Marked(mark.at, mark.text)
            after = number
            loaded = self._load(number)
            yield Sampled(loaded) if isinstance(loaded, ClusterSnapshot) else loaded

    def _trouble(self, sentence: str) -> Trouble:
        """A line of a screen has no room for a folder."""
        return Trouble(sentence.replace(f"{self._recording.path.parent}/", ""))

    def _load(self, number: int) -> ClusterSnapshot | Trouble:
        if number not in self._known:
            try:
                loaded = self._recording.snapshot(number)
            except DamagedRecording as error:
                return self._trouble(str(error))
            while len(self._known) > 2 * LEAD_SNAPSHOTS:
                del self._known[next(iter(self._known))]
            self._known[number] = loaded
        return self._known[number]
