"""The readers: what an application that reads from that node sees, and how old it is.

Owns: the readers of every node, and what they saw last. Must not: write, or ask a server what it thinks its lag is.

Rows behind are the newest id that was acknowledged when the read was sent, less the newest it found. The age is that
of the newest heartbeat it found, against the primary's clock. A read that failed leaves both unknown.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

import psycopg

from pgreplterm.lab import writer
from pgreplterm.lab.load.meter import Meter
from pgreplterm.lab.load.pace import Pace
from pgreplterm.lab.load.plan import Kind
from pgreplterm.lab.load.shared import Shared
from pgreplterm.lab.state import NodeRecord

LOOK_EVERY = 1.0
"""Seconds between two looks at which nodes the lab has."""

CONFLICTS = frozenset({"40001", "40P01"})
"""What a read-only query of one statement gets for a conflict with recovery, and for nothing else."""

_HEARTBEAT = "(SELECT extract(epoch FROM at)::float8 FROM pgreplterm_heartbeat)"
ORDERS = (
    f"SELECT (SELECT max(id) FROM orders), {_HEARTBEAT},"
    " (SELECT amount FROM orders ORDER BY id DESC LIMIT 1), pg_sleep(%s)"
)
ACCOUNTS = f"SELECT NULL::bigint, {_HEARTBEAT}, (SELECT abalance FROM pgbench_accounts WHERE aid = %s), pg_sleep(%s)"
ACCOUNT_COUNT = 100_000
"""Of pgbench's least scale."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one read found: rows behind and seconds old, each None when it cannot be told; at is monotonic seconds."""

    at: float
    rows_behind: int | None
    age: float | None
    problem: str = ""  # why there is neither


class NodeReaders:
    """All readers of one node, and their common figures."""

    def __init__(self, shared: Shared, node: NodeRecord, count: int) -> None:
        """Readers that have not begun."""
        self.node = node
        self.count = count
        self.meter = Meter(time.monotonic())
        self.conflicts = 0
        self.last: Sight | None = None
        self.worst_age: float | None = None  # since the last report
        self._shared = shared
        self._pace = Pace(self.target, time.monotonic())

    @property
    def target(self) -> float:
        """Reads a second of all of them."""
        return self.count * self._shared.plan.read_rate

    def holds(self, now: float) -> bool:
        """Whether the rate is held."""
        return self._pace.holds(now)

    async def run(self) -> None:
        """One reader: read until told to stop."""
        stop, plan = self._shared.stop, self._shared.plan
        options = f"-c statement_timeout={(writer.SERVER_TIMEOUT + plan.read_seconds) * 1000:.0f}"
        while not stop.is_set():
            try:
                async with await writer.connect_node(self._shared.directory, self.node.port, "reader", options) as link:
                    while not stop.is_set():
                        await self._turn()
                        await self._read(link)
            except (psycopg.Error, TimeoutError) as error:
                self._failed(error)
                await self._turn()

    async def _turn(self) -> None:
        wait = self._pace.claim(time.monotonic())
        if wait > 0:
            await writer.pause(self._shared.stop, wait)

    async def _read(self, link: writer.Link) -> None:
        """One read. Raises psycopg.Error when the connection is lost."""
        if self._shared.stop.is_set():
            return
        sent, newest = time.monotonic(), self._shared.newest_id
        try:
            row = await self._ask(link)
        except psycopg.Error as error:
            if not writer.refused(error):
                raise
            self._failed(error)
            return
        now = self._shared.clock.read(sent)
        behind = None if newest is None or row[0] is None else max(0, newest - row[0])
        age = None if now is None or row[1] is None else max(0.0, now - row[1])
        self.last = Sight(sent, behind, age)
        self.worst_age = age if self.worst_age is None else max(self.worst_age, age or 0.0)
        self.meter.committed(1, time.monotonic() - sent - self._shared.plan.read_seconds)

    async def _ask(self, link: writer.Link) -> tuple[int | None, float | None]:
        hold = self._shared.plan.read_seconds
        timeout = writer.CLIENT_TIMEOUT + hold
        if self._shared.plan.kind is Kind.PGBENCH:
            account = random.randrange(ACCOUNT_COUNT) + 1
            cursor = await writer.execute(link, ACCOUNTS, account, hold, timeout=timeout)
        else:
            cursor = await writer.execute(link, ORDERS, hold, timeout=timeout)
        row = await cursor.fetchone()
        assert row is not None  # a query without FROM has one row
        return row[0], row[1]

    def _failed(self, error: Exception) -> None:
        if isinstance(error, psycopg.Error) and error.sqlstate in CONFLICTS:
            self.conflicts += 1
        else:
            self.meter.errors += 1
        now = time.monotonic()
        self._pace.missed(now)
        self.last = Sight(now, None, None, str(error) or "it does not answer in time")


class Readers:
    """The readers of the whole lab; nodes come and go."""

    def __init__(self, shared: Shared) -> None:
        """Nobody reads yet."""
        self._shared = shared
        self.nodes: dict[str, NodeReaders] = {}
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Keep as many reading on every node as the plan has. Raises writer.LabGone."""
        try:
            while not self._shared.stop.is_set():
                self._adjust({node.name: node for node in writer.nodes_of(self._shared.directory)})
                await writer.pause(self._shared.stop, LOOK_EVERY)
            await asyncio.gather(*(task for tasks in self._tasks.values() for task in tasks))
        finally:
            for name in list(self._tasks):
                self._dismiss(name)

    def _adjust(self, nodes: dict[str, NodeRecord]) -> None:
        for name in [name for name in self._tasks if name not in nodes]:
            self._dismiss(name)
            del self.nodes[name]
        for name, node in nodes.items():
            count = self._shared.plan.readers_of(name)
            if count and name not in self._tasks:
                self.nodes[name] = NodeReaders(self._shared, node, count)
                self._tasks[name] = [asyncio.create_task(self.nodes[name].run()) for _ in range(count)]
        for task in [task for tasks in self._tasks.values() for task in tasks if task.done()]:
            task.result()  # a reader ends only by a mistake of ours: let it be seen

    def _dismiss(self, name: str) -> None:
        for task in self._tasks.pop(name):
            task.cancel()
