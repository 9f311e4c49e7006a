"""The writers: single rows, or many rows a transaction.

Owns: what is written to ``orders``, and what became of each transaction. Must not: decide when; that is the pace's.

A commit that waits for synchronous replication is waited for as long as the server says that it does, as an
application without timeouts would. A server that says nothing loses the connection.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncCursor

from pgreplterm.lab import writer
from pgreplterm.lab.load.pace import Pace
from pgreplterm.lab.load.plan import Kind
from pgreplterm.lab.load.shared import Shared
from pgreplterm.lab.writer import Doing

TICK = 0.01
"""Seconds that a client which is not late sleeps at least: several small transactions then follow each other."""

LONGEST_PAUSE = 0.1
"""Seconds between two attempts to connect, once they keep failing."""

KEPT_ROWS = 200_000
TRIM_EVERY = 5_000
"""The data lies in memory: every so many rows (or five batches), all but the newest KEPT_ROWS (or two batches) go."""

SINGLE = "INSERT INTO orders (customer, amount) VALUES (%s, %s) RETURNING id"
BATCH = (
    "WITH added AS (INSERT INTO orders (customer, amount)"
    " SELECT floor(random() * 10000)::int, round((random() * 10000)::numeric, 2) FROM generate_series(1, %s)"
    " RETURNING id) SELECT max(id) FROM added"
)
TRIM = "DELETE FROM orders WHERE id < (SELECT max(id) FROM orders) - %s"


class Client:
    """One connection that follows the primary."""

    def __init__(self, shared: Shared, pace: Pace) -> None:
        """A client that is not connected yet."""
        self._shared = shared
        self._pace = pace
        self._rows = shared.plan.rows_each
        allowed = writer.SERVER_TIMEOUT + self._rows / 2000
        self._options = f"-c statement_timeout={allowed * 1000:.0f}"
        self._patience = {
            Doing.WAITING: math.inf,
            Doing.WORKING: allowed + 1.0,
            Doing.SILENT: min(self._rows / 10_000, 5.0),
        }
        self._waits = False

    async def run(self) -> None:
        """Write until told to stop. Raises writer.LabGone."""
        shared = self._shared
        rest = writer.RECONNECT_PAUSE
        was_connected = False
        while not shared.stop.is_set():
            try:
                async with await writer.connect(shared.directory, "load", self._options) as link:
                    shared.meter.reconnects += was_connected
                    was_connected, rest = True, writer.RECONNECT_PAUSE
                    await self._write(link)
            except (psycopg.Error, TimeoutError) as error:
                shared.problem = str(error) or "no node that takes writes answers"
                await writer.pause(shared.stop, rest)
                rest = min(2 * rest, LONGEST_PAUSE)

    async def _write(self, link: writer.Link) -> None:
        warnings = writer.Warnings(link)
        stop = self._shared.stop
        while not stop.is_set():
            wait = self._pace.claim(time.monotonic())
            if wait > 0:
                await writer.pause(stop, max(wait, TICK))
            if not stop.is_set():
                await self._transaction(link, warnings)

    async def _transaction(self, link: writer.Link, warnings: writer.Warnings) -> None:
        """One, and what became of it. Raises psycopg.Error when the connection is of no more use."""
        meter = self._shared.meter
        warnings.taken()
        sent = time.monotonic()
        try:
            newest = await self._insert(link)
        except psycopg.Error as error:
            self._failed(error)
            if not writer.refused(error) or writer.is_read_only(error):
                raise
            return
        except asyncio.CancelledError:
            meter.doubtful(self._rows)
            raise
        finally:
            self._note_wait(False)
        if warnings.taken():
            self._doubt("a wait for synchronous replication was cancelled: committed here, perhaps nowhere else")
            return
        meter.committed(self._rows, time.monotonic() - sent)
        self._shared.acknowledged(link.info.port, newest)
        await self._trim(link)

    def _failed(self, error: psycopg.Error) -> None:
        if writer.refused(error):
            self._pace.missed(time.monotonic())
            self._shared.meter.errors += 1
            self._shared.problem = str(error)
        else:
            self._doubt(str(error))

    def _doubt(self, why: str) -> None:
        self._pace.missed(time.monotonic())
        self._shared.meter.doubtful(self._rows)
        self._shared.problem = why

    async def _insert(self, link: writer.Link) -> int:
        if self._shared.plan.kind is Kind.BATCH:
            cursor = await self._execute(link, BATCH, self._rows)
        else:
            cursor = await self._execute(link, SINGLE, random.randrange(10_000), random.randrange(1_000_000) / 100)
        row = await cursor.fetchone()
        assert row is not None  # RETURNING
        return int(row[0])

    async def _execute(self, link: writer.Link, statement: LiteralString, *values: object) -> AsyncCursor[Any]:
        begun = time.monotonic()

        async def waits() -> bool:
            doing = await writer.ask_after(self._shared.directory, link)
            self._note_wait(doing is Doing.WAITING)
            if doing is Doing.WAITING and self._shared.stop.is_set():
                return False
            return time.monotonic() - begun < self._patience[doing]

        return await writer.execute(link, statement, *values, waits_on=waits)

    def _note_wait(self, waits: bool) -> None:
        self._shared.waiting += waits - self._waits
        self._waits = waits

    async def _trim(self, link: writer.Link) -> None:
        rows, every = self._shared.meter.rows, max(TRIM_EVERY, 5 * self._rows)
        if rows // every > (rows - self._rows) // every:
            try:
                await self._execute(link, TRIM, max(KEPT_ROWS, 2 * self._rows))
            finally:
                self._note_wait(False)
