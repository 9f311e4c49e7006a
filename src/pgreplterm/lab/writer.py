"""How the load and the prober reach whichever node takes writes.

Owns: connecting to the lab's read-write node and bounding each statement. Must not: know what is written.

This is a multi-host DSN with target_session_attrs=read-write as an application would use it, except that each
host gets half a second: libpq's own least connect_timeout is 2 s, and a frozen host would cost that every time.
"""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from pgreplterm.lab import conninfo, state
from pgreplterm.lab.errors import LabError, StateDamaged

CONNECT_TIMEOUT = 0.5
"""Seconds one host may take to accept, authenticate and say that it is read-write."""

SERVER_TIMEOUT_MS = 1000
CLIENT_TIMEOUT = 1.5
"""Seconds until a statement is given up; longer than the server's own, whose answer says more."""

RECONNECT_PAUSE = 0.005


class LabGone(LabError):
    """There is no lab any more, so there is nothing left to write to."""


async def connect(directory: Path, name: str) -> psycopg.AsyncConnection[Any]:
    """An autocommit connection to the first node that is read-write. Raises LabGone, psycopg.Error, TimeoutError."""
    try:
        nodes = state.read(directory).nodes
    except StateDamaged:
        raise LabGone(f"the lab in {directory} is gone") from None
    problem: Exception = psycopg.OperationalError("the lab has no nodes yet")
    for node in nodes:
        try:
            return await asyncio.wait_for(_connect(node.port, directory / "pgpass", name), CONNECT_TIMEOUT)
        except (psycopg.Error, TimeoutError) as error:
            problem = error
    raise problem


async def execute(link: psycopg.AsyncConnection[Any], statement: LiteralString, *parameters: object) -> None:
    """Run one statement, for CLIENT_TIMEOUT seconds at most. Raises psycopg.Error.

    A server that hangs would hang psycopg's own cancellation too, so the connection is cut instead.
    """
    running = asyncio.ensure_future(link.execute(statement, parameters))
    done, _ = await asyncio.wait({running}, timeout=CLIENT_TIMEOUT)
    if not done:
        _hang_up(link)
    await running


def _connect(port: int, passfile: Path, name: str) -> Any:
    return psycopg.AsyncConnection.connect(
        conninfo.dsn(port, passfile),
        autocommit=True,
        target_session_attrs="read-write",
        application_name=f"pgreplterm {name}",
        options=f"-c statement_timeout={SERVER_TIMEOUT_MS}",
    )


def _hang_up(link: psycopg.AsyncConnection[Any]) -> None:
    with socket.socket(fileno=os.dup(link.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)
