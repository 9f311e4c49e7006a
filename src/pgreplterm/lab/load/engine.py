"""One load: its tasks, and its report once a second.

Owns: starting and ending the writers, the readers and the heartbeat, and the progress file. Must not: know how any of
them works.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from pgreplterm.lab import writer
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.load import document
from pgreplterm.lab.load.clients import Client
from pgreplterm.lab.load.heartbeat import beat
from pgreplterm.lab.load.meter import Meter
from pgreplterm.lab.load.pace import Pace
from pgreplterm.lab.load.pgbench import Pgbench
from pgreplterm.lab.load.plan import Plan
from pgreplterm.lab.load.progress import Document
from pgreplterm.lab.load.readers import Readers
from pgreplterm.lab.load.shared import Shared
from pgreplterm.lab.state import replace_file

REPORT_EVERY = 1.0
GRACE = 3.0
"""Seconds that transactions under way have to end after a stop."""


@contextmanager
def suppress_gone() -> Iterator[None]:
    """A lab that is gone is a good end. (contextlib.suppress looks into groups from Python 3.12 on.)"""
    try:
        yield
    except* writer.LabGone:
        pass


class Schedule(Protocol):
    """Whether a rate is held, whoever holds it."""

    def late(self, now: float) -> float:
        """Seconds that what is due has been waiting."""
        ...

    def holds(self, now: float) -> bool:
        """Whether all that was due in the last seconds was begun in time and succeeded."""
        ...


class Load:
    """A load of one lab; ``stop`` of its shared state ends it."""

    def __init__(self, directory: Path, path: Path, plan: Plan, pgbench: Path | None) -> None:
        """A load that has not begun. path is the progress file, pgbench the program, for that kind."""
        now = time.monotonic()
        self.shared = Shared(directory, plan, Meter(now))
        self._path = path
        self._began = now
        self._began_epoch = time.time()
        self._readers = Readers(self.shared)
        self._pgbench = Pgbench(self.shared, pgbench) if pgbench is not None else None
        pace = Pace(plan.transactions_per_second, now)
        self._schedule: Schedule = self._pgbench or pace
        self._clients = [] if self._pgbench else [Client(self.shared, pace) for _ in range(plan.clients)]

    async def run(self) -> None:
        """Until it is stopped, its time is over, or the lab is gone."""
        with suppress_gone():
            async with asyncio.TaskGroup() as group:
                workers = [group.create_task(work) for work in self._work()]
                group.create_task(self._end(workers))
                group.create_task(self._report_on())
            self._report(ended=True)

    def _work(self) -> list[Coroutine[Any, Any, None]]:
        work = [client.run() for client in self._clients]
        if self._pgbench is not None:
            work.append(self._pgbench.run())
        if self.shared.plan.readers:
            work += [self._readers.run(), beat(self.shared)]
        return work

    async def _end(self, workers: list[asyncio.Task[None]]) -> None:
        """When the time is over, or a stop was asked for: whoever is still at it after GRACE is interrupted."""
        seconds = self.shared.plan.seconds
        if seconds is None:
            await self.shared.stop.wait()
        else:
            await writer.pause(self.shared.stop, seconds)
            self.shared.stop.set()
        _, late = await asyncio.wait(workers, timeout=GRACE)
        for task in late:
            task.cancel()

    async def _report_on(self) -> None:
        """At the first success, and then once a second."""
        first = asyncio.create_task(self.shared.first.wait())
        stopped = asyncio.create_task(self.shared.stop.wait())
        while not first.done() and not stopped.done():
            await asyncio.wait({first, stopped}, timeout=REPORT_EVERY, return_when=asyncio.FIRST_COMPLETED)
            self._report()
        while not stopped.done():
            await writer.pause(self.shared.stop, REPORT_EVERY)
            self._report()
        first.cancel()

    def _report(self, ended: bool = False) -> None:
        try:
            replace_file(self._path, json.dumps(self._document(ended)) + "\n")
        except LabError:
            raise writer.LabGone(f"the lab in {self.shared.directory} is gone") from None

    def _document(self, ended: bool) -> Document:
        now, epoch = time.monotonic(), time.time()
        shared = self.shared
        last_second, so_far = shared.meter.lap(now), shared.meter.so_far(now)
        return {
            "plan": document.plan_document(shared.plan),
            "started_at": self._began_epoch,
            "written_at": epoch,
            "ended": ended,
            **document.counters(shared),
            "target": document.target(shared.plan),
            "last_second": document.rates(last_second),
            "since_start": document.rates(so_far),
            "holds_rate": self._schedule.holds(now) if shared.first.is_set() else None,
            "late_seconds": round(self._schedule.late(now), 3),
            "commit_seconds": {
                "last_second": document.percentiles(last_second.latency),
                "newest": document.percentiles(so_far.latency),
            },
            "readers": [document.reading(each, now, epoch) for each in self._readers.nodes.values()],
        }
