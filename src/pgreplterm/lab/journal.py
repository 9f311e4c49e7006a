"""What became of each id the prober wrote.

Owns: the format of a probe journal, and reading it whole or as it grows. Must not: connect, or judge; that is
:mod:`pgreplterm.lab.fates` and the drill's.

One line an attempt, tab-separated: id, sent (monotonic seconds), sent (epoch seconds), ended (monotonic seconds),
outcome, server port or ``-``, connection number or ``-``, reason. Before the first attempt on a connection a line says
who answered there: ``server``, connection number, port, system identifier, timeline, backend pid, backend start
(epoch seconds). A line that is cut short (the prober was killed) is not an attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

TABLE = "pgreplterm_probe"
"""Holds (client, id), both together the primary key."""

_SERVER = "server"


class Outcome(StrEnum):
    """What a client knows about one write."""

    OK = "ok"  # acknowledged: it must survive
    ERROR = "error"  # refused before the commit, or never sent: it must not be there
    UNKNOWN = "unknown"  # the answer was lost: either is right


@dataclass(frozen=True, slots=True)
class Server:
    """Who answered on one connection. The timeline is that of its WAL at that moment; started is epoch seconds."""

    connection: int
    port: int
    system_identifier: int
    timeline: int
    backend_pid: int
    backend_started: float

    def line(self) -> str:
        """The server as a line of the journal."""
        numbers = (self.connection, self.port, self.system_identifier, self.timeline, self.backend_pid)
        return "\t".join([_SERVER, *map(str, numbers), f"{self.backend_started:.6f}"]) + "\n"


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
    server: Server | None = None

    def line(self) -> str:
        """The attempt as a line of the journal."""
        reason = " ".join(self.reason.split())
        port = "-" if self.port is None else str(self.port)
        connection = "-" if self.server is None else str(self.server.connection)
        times = f"{self.sent_at:.6f}\t{self.sent_epoch:.6f}\t{self.ended_at:.6f}"
        return f"{self.id}\t{times}\t{self.outcome}\t{port}\t{connection}\t{reason}\n"


class Lines:
    """A journal as it comes, in pieces of any length."""

    def __init__(self) -> None:
        """Nothing was read yet."""
        self._rest = ""
        self._number = 0
        self._servers: dict[str, Server] = {}

    def feed(self, text: str) -> list[Attempt]:
        """The attempts that are whole now. Raises ValueError naming a line that is none."""
        *lines, self._rest = (self._rest + text).split("\n")
        attempts = []
        for line in lines:
            self._number += 1
            try:
                attempt = self._parsed(line)
            except (ValueError, KeyError):
                raise ValueError(f"{self._number}: expected a probe attempt, found {line[:80]!r}") from None
            if attempt is not None:
                attempts.append(attempt)
        return attempts

    def _parsed(self, line: str) -> Attempt | None:
        first, *fields = line.split("\t")
        if first == _SERVER:
            connection, port, system, timeline, pid, started = fields
            self._servers[connection] = Server(
                int(connection), int(port), int(system), int(timeline), int(pid), float(started)
            )
            return None
        sent, epoch, ended, outcome, port, connection, reason = fields
        return Attempt(
            id=int(first),
            sent_at=float(sent),
            sent_epoch=float(epoch),
            ended_at=float(ended),
            outcome=Outcome(outcome),
            port=None if port == "-" else int(port),
            reason=reason,
            server=None if connection == "-" else self._servers[connection],
        )


def read_journal(path: Path) -> tuple[Attempt, ...]:
    """All attempts in order. Raises OSError; ValueError naming a line that is no attempt."""
    try:
        return tuple(Lines().feed(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{path}:{error}") from None


def client_of(path: Path) -> int:
    """The client number under which the prober of that journal wrote: the number in its name."""
    return int(path.stem.rpartition("-")[2])


def journal_of(directory: Path, client: int) -> Path:
    """The inverse, in a lab's folder."""
    return directory / f"probe-{client}.tsv"
