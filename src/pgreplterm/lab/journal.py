"""What became of each id the prober wrote.

Owns: the format of a probe journal, one line an attempt, and reading it. Must not: connect, or judge; counting
what was lost is the drill's.

A line is tab-separated: id, sent (monotonic seconds), sent (epoch seconds), ended (monotonic seconds), outcome,
server port or ``-``, reason. A line that is cut short (the prober was killed) is not an attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

TABLE = "pgreplterm_probe"
"""Holds (client, id), both together the primary key."""


class Outcome(StrEnum):
    """What a client knows about one write."""

    OK = "ok"  # acknowledged: it must survive
    ERROR = "error"  # refused before the commit, or never sent: it must not be there
    UNKNOWN = "unknown"  # the answer was lost: either is right


@dataclass(frozen=True, slots=True)
class Attempt:
    """One write. The monotonic clock is the machine's, so attempts compare with any local measurement."""

    id: int
    sent_at: float  # monotonic seconds
    sent_epoch: float
    ended_at: float  # monotonic seconds
    outcome: Outcome
    port: int | None  # of the server that was asked; None when none could be reached
    reason: str

    def line(self) -> str:
        """The attempt as a line of the journal."""
        reason = " ".join(self.reason.split())
        port = "-" if self.port is None else str(self.port)
        times = f"{self.sent_at:.6f}\t{self.sent_epoch:.6f}\t{self.ended_at:.6f}"
        return f"{self.id}\t{times}\t{self.outcome}\t{port}\t{reason}\n"


def parse_line(line: str) -> Attempt:
    """The inverse of :meth:`Attempt.line`. Raises ValueError."""
    number, sent, epoch, ended, outcome, port, reason = line.rstrip("\n").split("\t")
    return Attempt(
        id=int(number),
        sent_at=float(sent),
        sent_epoch=float(epoch),
        ended_at=float(ended),
        outcome=Outcome(outcome),
        port=None if port == "-" else int(port),
        reason=reason,
    )


def read_journal(path: Path) -> tuple[Attempt, ...]:
    """All attempts in order. Raises OSError; ValueError naming a line that is no attempt."""
    attempts = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n")[:-1], start=1):
        try:
            attempts.append(parse_line(line))
        except ValueError:
            raise ValueError(f"{path}:{number}: expected a probe attempt, found {line[:80]!r}") from None
    return tuple(attempts)


def client_of(path: Path) -> int:
    """The client number under which the prober of that journal wrote: the number in its name."""
    return int(path.stem.rpartition("-")[2])
