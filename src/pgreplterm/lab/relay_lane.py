"""One direction of an edge, as the connections on it share it.

Owns: its condition turned into permissions (how many bytes may be read now, when a byte is due, how long a stall
lasts yet) and what it really carried. Must not: touch a socket, or read a clock: every time is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pgreplterm.lab.link_condition import GOOD, Flow

BUFFER = 128 * 1024
"""Bytes held per connection and direction, in user space and in each socket, while the lane is slow in some way: a
larger one would swallow WAL that a slow edge should leave unsent on the upstream."""

GOOD_BUFFER = 4 * BUFFER
"""The same of any other lane, where fewer and larger steps are a third less work."""

LONGEST_LINE = 8 << 20
"""Bytes that are on the way at most on an edge with latency, however fast it is."""

LINE_RATE = 64 << 20
"""Bytes a second for which an edge with latency and without a bandwidth holds enough."""

SLICE = 0.1
"""Seconds of bandwidth that may go at once after a pause."""

QUANTUM = 0.01
"""Seconds of bandwidth that are waited for before the next bytes are read."""


@dataclass(frozen=True, slots=True)
class LaneReport:
    """What one direction did since the relay began; rate and delays are of the last ``seconds``.

    That is a second or two, less when its condition changed meanwhile. held is what is on the way now; delay the mean
    seconds a byte spent in the relay and most_delay the longest, None when none came through.
    """

    carried: int
    dropped: int
    held: int
    seconds: float
    rate: float
    delay: float | None
    most_delay: float | None


class Mark:
    """Where the figures stood at a time, and the longest delay since."""

    __slots__ = ("at", "carried", "most_delay", "weighted_delay")

    def __init__(self, at: float, carried: int, weighted_delay: float) -> None:
        """Nothing came since."""
        self.at = at
        self.carried = carried
        self.weighted_delay = weighted_delay
        self.most_delay = 0.0


class Lane:
    """The bandwidth, the stalls and the figures of one direction."""

    def __init__(self, flow: Flow, now: float) -> None:
        """A lane that carried nothing yet."""
        self.carried = self.dropped = self.held = 0
        self._weighted_delay = 0.0
        self._jitter: Callable[[float, float], float] | None = None
        self.change(flow, now)

    def change(self, flow: Flow, now: float) -> None:
        """Another condition from now on; a stall begins after its first ``every - hold`` seconds."""
        self.flow = flow
        self.cut = flow.cut
        self.delays = flow.latency > 0
        self.unlimited = flow.bandwidth is None and flow.stall is None
        self._since = now
        self._older = self._newer = Mark(now, self.carried, self._weighted_delay)
        self._tokens, self._filled_at = 0.0, now
        self.buffer = self.window = GOOD_BUFFER if replace(flow, cut=False) == GOOD else BUFFER
        if self.delays:
            rate = flow.bandwidth or LINE_RATE
            self.window = min(LONGEST_LINE, BUFFER + int(rate * (flow.latency + flow.jitter)))
        if flow.jitter and self._jitter is None:
            import random  # only here: it takes a tenth of the relay's start

            self._jitter = random.uniform

    def stalled(self, now: float) -> float:
        """Seconds until the present stall ends; 0 when there is none."""
        stall = self.flow.stall
        if stall is None:
            return 0.0
        into = (now - self._since) % stall.every
        return stall.every - into if into >= stall.every - stall.hold else 0.0

    def allowance(self, now: float) -> int:
        """How many bytes may be read now."""
        rate = self.flow.bandwidth
        if rate is None:
            return self.buffer
        most = max(1.0, rate * SLICE)
        self._tokens = min(most, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        return int(self._tokens) if self._tokens >= max(1.0, rate * QUANTUM) else 0

    def wait(self, now: float) -> float:
        """Seconds until bytes may be read again; 0: now."""
        stalled = self.stalled(now)
        rate = self.flow.bandwidth
        if stalled or rate is None or self.allowance(now):
            return stalled
        return (max(1.0, rate * QUANTUM) - self._tokens) / rate + 1e-6

    def spend(self, size: int) -> None:
        """So many bytes were read."""
        self._tokens -= size

    def due(self, now: float, previous: float) -> float:
        """When bytes read now are to be delivered, never before those read earlier."""
        flow = self.flow
        varied = self._jitter(-flow.jitter, flow.jitter) if self._jitter and flow.jitter else 0.0
        return max(previous, now + flow.latency + varied)

    def deliver(self, size: int, delay: float) -> None:
        """So many bytes went on, that long after they were read."""
        self.carried += size
        self._weighted_delay += size * delay
        if delay > self._newer.most_delay:
            self._newer.most_delay = delay

    def take_back(self, size: int) -> None:
        """So many of the delivered bytes never left the kernel, and never will."""
        self.carried -= size
        self.dropped += size

    def mark(self, now: float) -> None:
        """Called once a second: rates and delays are those since the mark before the last one."""
        self._older, self._newer = self._newer, Mark(now, self.carried, self._weighted_delay)

    def report(self, now: float) -> LaneReport:
        """The figures."""
        since = self._older
        size, elapsed = self.carried - since.carried, now - since.at
        came = size > 0
        return LaneReport(
            carried=self.carried,
            dropped=self.dropped,
            held=self.held,
            seconds=elapsed,
            rate=max(0.0, size / elapsed) if elapsed > 0 else 0.0,
            delay=(self._weighted_delay - since.weighted_delay) / size if came else None,
            most_delay=max(since.most_delay, self._newer.most_delay) if came else None,
        )
