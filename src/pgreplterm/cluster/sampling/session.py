"""One server's connection: asking it for one sample within a time limit, whatever it does.

Owns: connecting, the exchange, closing hard, and naming why nothing came back.
Must not: schedule, retry later, or judge; a frozen server may cost its own time limit and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import AsyncConnection

from pgreplterm.cluster.activity import WalFolder
from pgreplterm.cluster.connecting.connect import Target, scrub, secrets_of
from pgreplterm.cluster.connecting.resolve import Resolver
from pgreplterm.cluster.model import NodeSample, NodeState
from pgreplterm.cluster.sampling.answer import read_answer
from pgreplterm.cluster.sampling.kept import Kept
from pgreplterm.cluster.sampling.statements import OLDEST_MAJOR, Capabilities, capabilities_sql, folder_sql, sample_sql
from pgreplterm.cluster.sampling.wire import Wire

# Seconds. pg_wal is listed this often; less often where that takes more than a hundredth of the time, and where it
# failed or took longer than a sample may, not before the penalty is over.
FOLDER_EVERY = 15.0
FOLDER_SHARE = 0.01
FOLDER_PENALTY = 600.0
# libpq keeps no SQLSTATE for a refused start-up packet, so 57P03 has to be told by its three English texts.
_NOT_ACCEPTING = re.compile(
    r"starting up|shutting down|not yet accepting connections|not accepting connections|in recovery mode"
)
# What a server or libpq says when the server is there but will not have us.
_ANSWERED = re.compile(r"FATAL|authentication|password|SSL|GSSAPI|certificate|channel binding", re.IGNORECASE)
_REFUSED_ROLE = re.compile(
    r"password authentication failed|no password supplied|pg_hba\.conf|authentication failed"
    r"|permission denied|role .* does not exist|is not permitted to log in"
)


class Unanswered(Exception):
    """One attempt gave no sample: the state it puts the node in, and one line of (scrubbed) server text."""

    def __init__(self, state: NodeState, reason: str, no_privilege: bool = False) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason
        self.no_privilege = no_privilege


class Session:
    """The connection to one target, opened when first needed and again whenever it broke."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._connection: AsyncConnection[Any] | None = None
        self._wire: Wire | None = None
        self._major = 0
        self._capabilities = Capabilities()
        self._kept = Kept()
        self._turn = asyncio.Lock()  # one question at a time
        self._refresh_due = self._folder_due = 0.0
        self._resolver = Resolver(target.conninfo)
        self._secrets = secrets_of(target.conninfo)

    async def sample(self, within: float) -> NodeSample:
        """One sample, in at most that many seconds and normally one round trip. Raises Unanswered.

        A connection that broke since the last tick is opened anew at once: only a new attempt can tell a
        server that ended one session from one that is gone.
        """
        reused = self._connection is not None
        try:
            async with asyncio.timeout(within):
                try:
                    return await self._attempt()
                except psycopg.Error:
                    self.close()
                    if not reused:
                        raise
                    return await self._attempt()
        except TimeoutError:
            raise Unanswered(NodeState.SILENT, f"no answer within {within:.1f} s") from None
        except psycopg.Error as error:
            raise self._unanswered(error) from None
        except (KeyError, TypeError, ValueError) as error:
            reason = f"unexpected answer: {type(error).__name__} {error}"
            raise Unanswered(NodeState.UNKNOWN, scrub(reason, *self._secrets)) from None
        except OSError as error:
            raise Unanswered(NodeState.DOWN, scrub(str(error), *self._secrets)) from None

    @property
    def refresh_is_due(self) -> bool:
        """True when ``refresh`` should be called, beside the samples."""
        return self._connection is not None and time.monotonic() >= self._refresh_due

    async def refresh(self, within: float) -> WalFolder | None:
        """Ask the slow questions, in at most that many seconds: pg_wal as last listed, None when it never was.

        Never raises: samples say whether the server is well.
        """
        try:
            async with asyncio.timeout(within), self._turn:
                await self._refresh()
        except TimeoutError:
            pass  # closed, if it was this that took so long
        except (psycopg.Error, OSError, KeyError, TypeError, ValueError):
            self.close()
        return self._kept.folder

    def close(self) -> None:
        """End the connection now. Never waits for the server: its socket is shut before libpq says goodbye."""
        if self._connection is None:
            return
        _sever(self._connection)
        self._connection.pgconn.finish()
        self._connection = self._wire = None

    async def _attempt(self) -> NodeSample:
        async with self._turn:
            if self._connection is None:
                await self._open()
            statement = sample_sql(self._major, self._capabilities)
            started, sent_at = time.monotonic(), time.time()  # what waits behind a refresh is no round trip
            answer = await self._ask(statement, self._kept.parameters())
            round_trip = time.monotonic() - started
        self._kept = self._kept.after(answer)
        return read_answer(answer, self._kept, self._capabilities, sent_at, round_trip)

    async def _open(self) -> None:
        """Connect, and ask the slow questions first: the timeline of a standby that streams from nobody needs them."""
        conninfo = await self._resolver.conninfo()
        self._connection = await AsyncConnection.connect(conninfo, autocommit=True)
        self._wire = Wire(self._connection)
        self._major = self._connection.info.server_version // 10000
        if self._major < OLDEST_MAJOR:
            self.close()
            reason = f"server is PostgreSQL {self._major}; {OLDEST_MAJOR} or newer can be watched"
            raise Unanswered(NodeState.UNKNOWN, reason)
        self._kept = Kept(folder=self._kept.folder)
        await self._refresh()

    async def _refresh(self) -> None:
        """What the role may do, for it can be granted more meanwhile, and what lies in pg_wal."""
        self._refresh_due = time.monotonic() + FOLDER_EVERY * random.uniform(1.0, 1.5)  # not all nodes at once
        denied = (await self._ask(capabilities_sql(self._major)))["denied"]
        self._capabilities = Capabilities(frozenset(denied))
        statement = folder_sql(self._major, self._capabilities)
        started = time.monotonic()
        if statement is None or started < self._folder_due:
            return
        self._folder_due = started + FOLDER_PENALTY
        try:
            answer = await self._ask(statement)
        except psycopg.Error as error:
            if error.sqlstate is None:  # else only the statement failed: a file that vanished, a disk's error
                raise
            return
        took = time.monotonic() - started
        pause = took / FOLDER_SHARE
        self._folder_due = started + pause if pause > FOLDER_EVERY else 0.0
        self._kept = self._kept.after_folder(answer, time.time() - took / 2)

    async def _ask(self, statement: str, parameters: Sequence[str | None] | None = None) -> Any:
        """The one value the statement answers.

        Whatever ends the waiting ends the connection: asking the server to stop would mean waiting for it, too.
        """
        wire = self._wire
        if wire is None:
            raise psycopg.OperationalError("the connection is closed")
        try:
            if parameters is None:
                return await wire.value(statement)
            return await wire.prepared_value(statement, parameters)
        except asyncio.CancelledError:
            self.close()
            raise

    def _unanswered(self, error: psycopg.Error) -> Unanswered:
        text = scrub(str(error), *self._secrets)
        if isinstance(error, psycopg.errors.ConnectionTimeout):
            return Unanswered(NodeState.SILENT, "no answer to the connection request")
        if error.sqlstate == "57P03" or _NOT_ACCEPTING.search(text):
            return Unanswered(NodeState.STARTING, _one_line(text))
        answered = error.sqlstate is not None or _ANSWERED.search(text)
        state = NodeState.UNKNOWN if answered else NodeState.DOWN
        no_privilege = error.sqlstate == "42501" or _REFUSED_ROLE.search(text) is not None
        return Unanswered(state, _one_line(text), no_privilege)


def _sever(connection: AsyncConnection[Any]) -> None:
    """Shut the socket under libpq: a pending read ends at once, and nothing later can wait for the server."""
    with contextlib.suppress(OSError, psycopg.Error):
        duplicate = socket.socket(fileno=socket.dup(connection.fileno()))
        with duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)


def _one_line(text: str) -> str:
    """The last thing libpq or the server said, without libpq's preamble and hints."""
    first = text.strip().splitlines()[0] if text.strip() else "connection failed"
    for preamble in ("connection failed: ", "connection is bad: "):
        first = first.removeprefix(preamble)
    server = r'(?:at|on socket) "[^"]*"(?: \([^)]*\))?(?:, port \d+)?'
    return re.sub(rf"^(?:connection to server {server} failed: )?(?:FATAL:\s+)?", "", first)
