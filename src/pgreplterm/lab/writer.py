"""How the load and the prober reach whichever node takes writes.

Owns: connecting to the lab's read-write node, or to a node for reading, and bounding each statement. Must not: know
what is written.

This is a multi-host DSN with target_session_attrs=read-write as an application would use it, except that each
host gets half a second: libpq's own least connect_timeout is 2 s, and a frozen host would cost that every time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from pgreplterm.lab import conninfo, state
from pgreplterm.lab.errors import LabError, StateDamaged

Link = psycopg.AsyncConnection[Any]

CONNECT_TIMEOUT = 0.5
"""Seconds one host may take to accept, authenticate and say that it is read-write."""

SERVER_TIMEOUT = 1.0
CLIENT_TIMEOUT = 1.2
"""Seconds until a statement is given up; longer than the server's own, whose answer says more. statement_timeout does
not cover the commit, so this is what ends a wait for synchronous replication."""

CANCEL_TIMEOUT = 0.3
"""Seconds the server may take to answer a cancelled statement before the connection is cut."""

RECONNECT_PAUSE = 0.005

_DEFAULT_OPTIONS = f"-c statement_timeout={SERVER_TIMEOUT * 1000:.0f}"


class LabGone(LabError):
    """There is no lab any more, so there is nothing left to write to."""


def nodes_of(directory: Path) -> tuple[state.NodeRecord, ...]:
    """The lab's nodes now. Raises LabGone."""
    try:
        return state.read(directory).nodes
    except StateDamaged:
        raise LabGone(f"the lab in {directory} is gone") from None


async def connect(directory: Path, name: str, options: str = _DEFAULT_OPTIONS) -> Link:
    """An autocommit connection to the first node that is read-write. Raises LabGone, psycopg.Error, TimeoutError."""
    problem: Exception = psycopg.OperationalError("the lab has no nodes yet")
    for node in nodes_of(directory):
        try:
            return await connect_node(directory, node.port, name, options, "read-write")
        except (psycopg.Error, TimeoutError) as error:
            problem = error
    raise problem


async def connect_as_application(directory: Path, name: str) -> Link:
    """The same as libpq itself does it, with the DSN an application would have: a silent host costs it 2 s.

    Raises LabGone, psycopg.Error.
    """
    nodes = nodes_of(directory)
    dsn = conninfo.application_dsn([node.port for node in nodes], directory / "pgpass")
    return await psycopg.AsyncConnection.connect(
        dsn, autocommit=True, connect_timeout=2, application_name=f"pgreplterm {name}", options=_DEFAULT_OPTIONS
    )


async def connect_node(
    directory: Path, port: int, name: str, options: str = _DEFAULT_OPTIONS, wanted: str = "any"
) -> Link:
    """An autocommit connection to the node on that port. Raises psycopg.Error, TimeoutError."""
    return await asyncio.wait_for(
        psycopg.AsyncConnection.connect(
            conninfo.dsn(port, directory / "pgpass"),
            autocommit=True,
            target_session_attrs=wanted,
            application_name=f"pgreplterm {name}",
            options=options,
        ),
        CONNECT_TIMEOUT,
    )


async def execute(
    link: Link,
    statement: LiteralString,
    *parameters: object,
    timeout: float = CLIENT_TIMEOUT,  # noqa: ASYNC109
    waits_on: Callable[[], Awaitable[bool]] | None = None,
) -> psycopg.AsyncCursor[Any]:
    """Run one statement and give it up after timeout seconds, unless waits_on says to wait as long again.

    Raises psycopg.Error. A statement given up is cancelled first: one that waits for synchronous replication then
    ends with a warning, and leaves no session behind. A server that does not even cancel has its connection cut.
    """
    running = asyncio.ensure_future(link.execute(statement, parameters))
    try:
        while not (await asyncio.wait({running}, timeout=timeout))[0]:
            if waits_on is None or not await waits_on():
                await _give_up(link, running)
                break
        return await running
    finally:
        running.cancel()


class Doing(StrEnum):
    """What a server says about a statement that has not been answered."""

    WAITING = "waiting"  # committed there; its acknowledgement waits for synchronous replication
    WORKING = "working"
    SILENT = "silent"  # it says nothing, or does not know the connection


async def ask_after(directory: Path, link: Link) -> Doing:
    """What that connection's server does for it now, asked on another connection."""
    try:
        async with await connect_node(directory, link.info.port, "load") as asking:
            found = await execute(
                asking,
                "SELECT wait_event IS NOT DISTINCT FROM 'SyncRep' FROM pg_stat_activity WHERE pid = %s",
                link.info.backend_pid,
                timeout=CONNECT_TIMEOUT,
            )
            row = await found.fetchone()
    except (psycopg.Error, TimeoutError):
        return Doing.SILENT
    if row is None:
        return Doing.SILENT
    return Doing.WAITING if row[0] else Doing.WORKING


class Warnings:
    """Whether the server warned: a cancelled wait for synchronous replication is a success with a warning."""

    def __init__(self, link: Link) -> None:
        """Listen to that connection from now on."""
        self._any = False
        link.add_notice_handler(self._noticed)

    def taken(self) -> bool:
        """Whether there was one since the last call."""
        found, self._any = self._any, False
        return found

    def _noticed(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self._any = True


def refused(error: psycopg.Error) -> bool:
    """Whether the server itself said that it did not do it; anything else leaves the outcome unknown."""
    return error.diag.severity_nonlocalized == "ERROR"


def is_read_only(error: psycopg.Error) -> bool:
    """Whether this server takes no writes any more."""
    return error.sqlstate == "25006"


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but not past the end."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def _give_up(link: Link, running: asyncio.Future[Any]) -> None:
    with contextlib.suppress(psycopg.Error, OSError):
        await link.cancel_safe(timeout=CANCEL_TIMEOUT)
        await asyncio.wait({running}, timeout=CANCEL_TIMEOUT)
    if not running.done():
        _hang_up(link)


def _hang_up(link: Link) -> None:
    with socket.socket(fileno=os.dup(link.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)
