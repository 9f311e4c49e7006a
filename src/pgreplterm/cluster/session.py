"""One server's connection: asking it for one sample within a time limit, whatever it does.

Owns: connecting, the exchange, closing hard, and naming why nothing came back.
Must not: schedule, retry later, or judge; a frozen server may cost its own time limit and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from typing import Any

import psycopg
from psycopg import AsyncConnection

from pgreplterm.cluster.answer import read_answer
from pgreplterm.cluster.connect import Target, scrub, secrets_of
from pgreplterm.cluster.model import NodeSample, NodeState
from pgreplterm.cluster.resolve import Resolver
from pgreplterm.cluster.statements import OLDEST_MAJOR, Capabilities, capabilities_sql, sample_sql

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
        self._capabilities = Capabilities()
        self._resolver = Resolver(target.conninfo)
        self._secrets = secrets_of(target.conninfo)

    async def sample(self, within: float) -> NodeSample:
        """One sample, in at most that many seconds and normally one round trip. Raises Unanswered.

        A connection that broke since the last tick is opened anew at once: only a new attempt can tell a
        server that ended one session from one that is gone.
        """
        deadline = asyncio.get_running_loop().time() + within
        reused = self._connection is not None
        try:
            try:
                return await self._attempt(deadline)
            except psycopg.Error:
                self.close()
                if not reused:
                    raise
                return await self._attempt(deadline)
        except TimeoutError:
            raise Unanswered(NodeState.SILENT, f"no answer within {within:.1f} s") from None
        except psycopg.Error as error:
            raise self._unanswered(error) from None
        except (KeyError, TypeError, ValueError) as error:
            reason = f"unexpected answer: {type(error).__name__} {error}"
            raise Unanswered(NodeState.UNKNOWN, scrub(reason, *self._secrets)) from None
        except OSError as error:
            raise Unanswered(NodeState.DOWN, scrub(str(error), *self._secrets)) from None

    def close(self) -> None:
        """End the connection now. Never waits for the server: its socket is shut before libpq says goodbye."""
        if self._connection is None:
            return
        _sever(self._connection)
        self._connection.pgconn.finish()
        self._connection = None

    async def _attempt(self, deadline: float) -> NodeSample:
        if self._connection is None:
            await self._open(deadline)
        assert self._connection is not None
        major = self._connection.info.server_version // 10000
        if major < OLDEST_MAJOR:
            reason = f"server is PostgreSQL {major}; {OLDEST_MAJOR} or newer can be watched"
            raise Unanswered(NodeState.UNKNOWN, reason)
        started, sent_at = time.monotonic(), time.time()
        answer = await self._ask(sample_sql(major, self._capabilities), deadline)
        return read_answer(answer, sent_at, time.monotonic() - started)

    async def _open(self, deadline: float) -> None:
        async with asyncio.timeout_at(deadline):
            conninfo = await self._resolver.conninfo()
            self._connection = await AsyncConnection.connect(conninfo, autocommit=True)
        self._capabilities = Capabilities(**await self._ask(capabilities_sql(), deadline))

    async def _ask(self, statement: str, deadline: float) -> Any:
        """The one value the statement answers.

        The exchange runs as a task of its own and is never cancelled: psycopg answers cancellation by asking
        the server to stop and waiting for it, up to 10 s when it is frozen. Shutting the socket ends it at once.
        """
        connection = self._connection
        assert connection is not None
        exchange = asyncio.ensure_future(_fetch_value(connection, statement))
        try:
            remaining = deadline - asyncio.get_running_loop().time()
            await asyncio.wait({exchange}, timeout=max(0.0, remaining))
            if exchange.done():
                return exchange.result()
            raise TimeoutError
        finally:
            if not exchange.done():
                _sever(connection)
                await asyncio.wait({exchange})
                exchange.exception()
                self.close()

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


async def _fetch_value(connection: AsyncConnection[Any], statement: str) -> Any:
    cursor = await connection.execute(statement.encode())
    row = await cursor.fetchone()
    return row[0] if row else None


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
