"""Statements of a scenario: one that is waited for, and one that goes on while other steps run.

Owns: a session's settings, what came of a statement, and its thread. Must not: know a step.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pgreplterm.cluster.words import printable
from pgreplterm.errors import PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

CANCEL_WITHIN = 5.0
# The lab's own sessions wait for no standby; a scenario's behave as an application's would.
_COMMIT = (
    "SELECT set_config('synchronous_commit', coalesce((SELECT setting FROM pg_file_settings"
    " WHERE name = 'synchronous_commit' AND applied ORDER BY seqno DESC LIMIT 1), 'on'), false)"
)
_NOT_AWAITED = "01000"
"""The warning of a commit whose wait for a standby was cancelled: it is committed here, and perhaps only here."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a statement. value is the first column of the first row; sqlstate is of an error.

    local: it was committed, and the wait for the standbys was cancelled.
    """

    seconds: float
    value: Any = None
    rows: int | None = None
    sqlstate: str | None = None
    message: str = ""
    local: bool = False

    @property
    def outcome(self) -> str:
        """In a word or two."""
        if self.sqlstate is not None:
            return self.sqlstate
        return "committed locally, replication was not awaited" if self.local else "done"


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with the settings of its session; repeated so often, and no longer than within seconds in all."""

    text: str
    settings: Mapping[str, str] = field(default_factory=dict)
    repeat: int = 1
    within: float = 60.0


def ask(lab: Lab, node: str, statement: Statement, tell_pid: Any = lambda _: None) -> Answer:
    """Run it there. An error of the server is an answer; raises LabError, CannotConnect when it cannot be asked."""
    with lab.connection(node) as link:
        warnings: list[str] = []
        link.add_notice_handler(lambda notice: warnings.append(f"{notice.sqlstate} {notice.message_primary}"))
        link.execute(_COMMIT)
        for name, value in {"statement_timeout": f"{statement.within:g}s", **statement.settings}.items():
            link.execute("SELECT set_config(%s, %s, false)", (name, value))
        tell_pid(link.info.backend_pid)
        begun = time.monotonic()
        try:
            for _ in range(statement.repeat):
                cursor = link.execute(statement.text, prepare=False)
            value, rows = _result(cursor)
        except Exception as error:
            state = getattr(error, "sqlstate", None)
            if state is None:
                raise
            return Answer(time.monotonic() - begun, sqlstate=str(state), message=_first_line(error))
        local = any(each.startswith(_NOT_AWAITED) and "replication" in each for each in warnings)
        return Answer(time.monotonic() - begun, value, rows, local=local)


class Background:
    """A statement in a thread of its own."""

    def __init__(self, lab: Lab, node: str, step: str, statement: Statement) -> None:
        """Begin it."""
        self.step = step
        self.node = node
        self.answer: Answer | None = None
        self.error: Exception | None = None
        self.pid: int | None = None
        self.ended = threading.Event()
        self._lab = lab
        self._statement = statement
        self._thread = threading.Thread(target=self._run, name=f"step {step}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.answer = ask(self._lab, self.node, self._statement, self._know)
        except Exception as error:
            self.error = error
        self.ended.set()

    def _know(self, pid: int) -> None:
        self.pid = pid

    def cancel(self) -> bool:
        """End it; whether it was still running. Raises LabError."""
        if self.ended.is_set():
            return False
        if self.pid is not None:
            with self._lab.connection(self.node) as link:
                link.execute("SELECT pg_cancel_backend(%s)", (self.pid,))
        self.ended.wait(CANCEL_WITHIN)
        return True

    @property
    def failure(self) -> str | None:
        """Why there is no answer, in a sentence; None while it runs or when there is one."""
        if self.error is None:
            return None
        return str(self.error) if isinstance(self.error, PgReplTermError) else _first_line(self.error)


def _result(cursor: Any) -> tuple[Any, int | None]:
    """The first column of the first row of the last result, and how many rows it had."""
    while cursor.nextset():
        pass
    rows = cursor.rowcount if cursor.rowcount >= 0 else None
    if cursor.description is None:
        return None, rows
    row = cursor.fetchone()
    return (None if row is None or not row else row[0]), rows


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return printable(lines[0]) if lines else type(error).__name__
