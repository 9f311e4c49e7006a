"""One short connection beside the ticks: connect, ask a few things, hang up.

Owns: the deadline, and hanging up hard whatever the server does. Must not: know what is asked, retry, or share a
connection with sampling.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from pgreplterm.cluster.connecting.connect import Target
from pgreplterm.cluster.connecting.resolve import Resolver
from pgreplterm.cluster.forks.grounds import APPLICATION_NAME

Row = tuple[Any, ...]
_Found = TypeVar("_Found")


class Errand:
    """An async context manager; the deadline is an instant of the running loop's clock, for all of it together."""

    def __init__(self, target: Target, deadline: float, replication: bool = False) -> None:
        changes = {"application_name": APPLICATION_NAME, "replication": "true" if replication else None}
        self._resolver = Resolver(make_conninfo(target.conninfo, **changes))
        self._deadline = deadline
        self._connection: AsyncConnection[Any] | None = None

    async def __aenter__(self) -> Errand:
        async with asyncio.timeout_at(self._deadline):
            conninfo = await self._resolver.conninfo()
            self._connection = await AsyncConnection.connect(conninfo, autocommit=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._connection is not None:
            sever(self._connection, politely=error is None)
            self._connection.pgconn.finish()

    async def rows(self, statement: str, *parameters: object, binary: bool = False) -> list[Row]:
        """The rows of one statement; binary halves the way of a long bytea. Raises TimeoutError and psycopg.Error."""
        assert self._connection is not None
        return await self._whole(_rows(self._connection, statement, parameters, binary))

    async def raw(self, command: str) -> list[bytes]:
        """The first row of a replication command, as the bytes the server sent. Raises as rows does."""
        assert self._connection is not None
        return await self._whole(_raw(self._connection, command))

    async def _whole(self, exchange: Coroutine[Any, Any, _Found]) -> _Found:
        """Never cancelled while under way: psycopg would ask the server to stop and wait for it; the socket is shut."""
        assert self._connection is not None
        task = asyncio.ensure_future(exchange)
        try:
            await asyncio.wait({task}, timeout=max(0.0, self._deadline - asyncio.get_running_loop().time()))
            if task.done():
                return task.result()
            raise TimeoutError
        finally:
            if not task.done():
                sever(self._connection)
                await asyncio.wait({task})
                task.exception()


def sever(connection: AsyncConnection[Any], politely: bool = False) -> None:
    """Shut the socket under libpq: a pending read ends at once, and nothing later can wait for the server.

    politely leaves the sending half open for libpq's goodbye, which keeps the server's log quiet.
    """
    with contextlib.suppress(OSError, psycopg.Error):
        duplicate = socket.socket(fileno=socket.dup(connection.fileno()))
        with duplicate:
            duplicate.shutdown(socket.SHUT_RD if politely else socket.SHUT_RDWR)


async def _rows(
    connection: AsyncConnection[Any], statement: str, parameters: Sequence[object], binary: bool
) -> list[Row]:
    cursor = await connection.execute(statement.encode(), parameters or None, binary=binary)
    return await cursor.fetchall() if cursor.description else []


async def _raw(connection: AsyncConnection[Any], command: str) -> list[bytes]:
    """psycopg reads a bytea's text form, which is not what a walsender sends before 15: hence past its loaders."""
    cursor = await connection.execute(command.encode())
    result = cursor.pgresult
    if result is None or not result.ntuples:
        return []
    return [result.get_value(0, column) or b"" for column in range(result.nfields)]
