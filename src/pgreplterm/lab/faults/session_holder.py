"""A process that holds sessions on a server until it is told to stop.

Owns: opening the sessions of one order, opening those again that were lost, and saying how many there are.
Must not: outlive its order: it ends on SIGTERM, and by itself when the file of the order is gone.

Run as ``python -m pgreplterm.lab.faults.session_holder ORDER_FILE``; ``holding`` writes that file and reads the answer.
"""

from __future__ import annotations

import json
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import ConnStatus

from pgreplterm.lab.faults.holding import Sessions, Standing, answer_path, read_order
from pgreplterm.lab.state import replace_file

CONNECT_TIMEOUT = 3
LONGEST_LOOK = 0.25
"""Seconds between two looks whether the order still stands."""

# None of the server's own limits may end what is to be held; transaction_timeout exists from 17 on.
_NO_LIMITS = (
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout',"
    " 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')"
)


class Done(Exception):
    """A session has run its statement to the end, or to its cancellation."""


class Session:
    """One connection, with a statement that may be under way on it."""

    def __init__(self, order: Sessions) -> None:
        """Connect and prepare. Raises psycopg.Error."""
        self._order = order
        settled: dict[str, str | int] = {
            "sslmode": "disable",
            "gssencmode": "disable",
            "connect_timeout": CONNECT_TIMEOUT,
        }
        conninfo = make_conninfo(order.conninfo, application_name=order.application_name, **settled, **order.parameters)
        self._link = psycopg.connect(conninfo, autocommit=True)
        self._due: float | None = None if order.last is None else 0.0
        try:
            if "replication" not in order.parameters:
                for statement in (_NO_LIMITS, *order.statements):
                    self._link.execute(statement.encode())
        except BaseException:
            self._link.close()
            raise

    def fileno(self) -> int:
        """The socket, readable when the server said something or hung up."""
        return self._link.pgconn.socket

    def work(self) -> None:
        """Send the statement when it is due. Raises psycopg.Error."""
        if self._order.last is not None and self._due is not None and time.monotonic() >= self._due:
            self._due = None
            self._link.pgconn.send_query(self._order.last.encode())
            self._link.pgconn.flush()

    def listen(self) -> None:
        """Take in what the server said. Raises psycopg.Error when it has ended the session, Done."""
        libpq = self._link.pgconn
        libpq.consume_input()
        while not libpq.is_busy():
            if libpq.get_result() is None:
                self._ended()
                break
        if libpq.status == ConnStatus.BAD:
            raise psycopg.OperationalError("the server ended the session")

    def _ended(self) -> None:
        """Nothing is under way: as always where there is no statement, or when it has just ended."""
        if self._order.last is None or self._due is not None:
            return
        if self._order.again is None:
            raise Done
        self._due = time.monotonic() + self._order.again

    def close(self) -> None:
        """Hang up."""
        self._link.pgconn.finish()


class Holder:
    """All sessions of one order."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, ValueError when the order cannot be read."""
        self._path = path
        self._order = read_order(path)
        self._wanted = self._order.wanted
        self._sessions: list[Session] = []
        self._problem = ""
        self._next_try = 0.0
        self._told: Standing | None = None
        self._told_at = 0.0

    def run(self) -> None:
        """Hold until the order is gone."""
        while self._path.exists():
            self._fill()
            self._attend()
            self._tell()

    def _fill(self) -> None:
        while (self._wanted is None or len(self._sessions) < self._wanted) and time.monotonic() >= self._next_try:
            if not self._path.exists():
                return
            try:
                self._sessions.append(Session(self._order))
                if time.monotonic() >= self._told_at + LONGEST_LOOK:
                    self._tell()
            except (psycopg.Error, OSError) as error:
                self._problem = _first_line(error)
                self._next_try = time.monotonic() + self._order.retry

    def _attend(self) -> None:
        """Look after each session, and wait for news of any."""
        self._each(Session.work, self._sessions)
        poll = select.poll()
        by_socket = {session.fileno(): session for session in self._sessions}
        for socket in by_socket:
            poll.register(socket, select.POLLIN)
        pauses = [self._order.retry, LONGEST_LOOK] + ([] if self._order.again is None else [self._order.again])
        ready = poll.poll(1000 * min(pauses))
        self._each(Session.listen, [by_socket[socket] for socket, _ in ready])

    def _each(self, action: Callable[[Session], None], sessions: list[Session]) -> None:
        for session in list(sessions):
            try:
                action(session)
            except (psycopg.Error, Done) as error:
                if isinstance(error, Done):
                    self._wanted = None if self._wanted is None else self._wanted - 1
                else:
                    self._problem = _first_line(error)
                session.close()
                self._sessions.remove(session)

    def _tell(self) -> None:
        standing = Standing(len(self._sessions), self._problem)
        if standing != self._told and self._path.exists():
            self._told, self._told_at = standing, time.monotonic()
            document: dict[str, Any] = {"held": standing.held, "problem": standing.problem}
            replace_file(answer_path(self._path), json.dumps(document) + "\n")


def _first_line(error: Exception) -> str:
    """What the server said, without libpq's preamble: that is what follows the last severity."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rpartition("FATAL:")[2].strip()


def main() -> None:
    """Hold what the order named on the command line asks for."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        Holder(Path(sys.argv[1])).run()
    except FileNotFoundError:
        return  # healed before it began


if __name__ == "__main__":
    main()
