"""The load that is PostgreSQL's own pgbench.

Owns: running it against whichever node is primary, and reading its progress. Must not: make its tables.

A pgbench whose server dies ends; it is started again against the next primary. One whose server froze is ended, once
another node takes writes.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from pgreplterm.lab import binaries, conninfo, writer
from pgreplterm.lab.load.pace import ARREARS, MEMORY
from pgreplterm.lab.load.pgbench_log import TransactionLog
from pgreplterm.lab.load.shared import Shared

STALL = 3.0
"""Seconds without a transaction after which another primary is looked for."""

USUAL_SILENCE = 2.0
"""Seconds between two lines of progress, and then some."""

FOR_EVER = 100_000_000
"""Seconds; the load ends it."""

_PROGRESS = re.compile(
    r"progress: (?P<at>[\d.]+) s, (?P<tps>[\d.]+) tps, lat [-\w.]+ ms stddev [-\w.]+"
    r"(?:, (?P<failed>\d+) failed)?(?:, lag (?P<lag>[-\w.]+) ms)?"
)
_PROCESSED = re.compile(r"number of transactions actually processed: (\d+)")


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of its ``--progress``. at is in epoch seconds, lag is how late transactions begin; all in seconds."""

    at: float
    per_second: float
    failed: int
    lag: float | None


def parse(line: str) -> Progress | None:
    """What a line of standard error tells; None when it is no progress."""
    found = _PROGRESS.match(line)
    if found is None:
        return None
    return Progress(
        at=float(found["at"]),
        per_second=float(found["tps"]),
        failed=int(found["failed"] or 0),
        lag=_milliseconds(found["lag"]),
    )


def _milliseconds(text: str | None) -> float | None:
    return None if text is None or "nan" in text else float(text) / 1000


class Pgbench:
    """One pgbench after another, until told to stop."""

    def __init__(self, shared: Shared, program: Path) -> None:
        """Nothing runs yet."""
        self._shared = shared
        self._program = program
        self._last: Progress | None = None
        self._log = TransactionLog(shared.directory, shared.plan.rate)
        self._run = 0  # transactions of this pgbench that are counted
        self._active_at = time.monotonic()
        self._missed_at: float | None = None

    def late(self, now: float) -> float:
        """Seconds that transactions begin late, or that nothing was heard."""
        silence = max(0.0, now - self._active_at - USUAL_SILENCE - 3 / self._shared.plan.rate)
        return max(silence, (self._last.lag or 0.0) if self._last is not None else 0.0)

    def holds(self, now: float) -> bool:
        """Whether all transactions began in time, and none failed, in the last seconds."""
        return self.late(now) <= ARREARS and (self._missed_at is None or now - self._missed_at >= MEMORY)

    async def run(self) -> None:
        """Raises writer.LabGone."""
        shared, runs = self._shared, 0
        while not shared.stop.is_set():
            try:
                port = await self._writable_port()
            except (psycopg.Error, TimeoutError) as error:
                shared.problem = str(error) or "no node that takes writes answers"
                await writer.pause(shared.stop, 0.1)
                continue
            shared.meter.reconnects += min(runs, 1)
            runs += 1
            await self._one(port)
            await writer.pause(shared.stop, 0.1)

    async def _writable_port(self) -> int:
        async with await writer.connect(self._shared.directory, "load") as link:
            return link.info.port

    async def _one(self, port: int) -> None:
        """One pgbench to its end, which is the server's, ours, or that of its server's rule."""
        self._log.remove()  # what a load that was killed left
        child = await asyncio.create_subprocess_exec(
            *self._arguments(port), stdin=DEVNULL, stdout=PIPE, stderr=PIPE, cwd="/", env=environment()
        )
        self._run, self._active_at = 0, time.monotonic()
        watch = asyncio.create_task(self._watch(child, port))
        try:
            _, output = await asyncio.gather(self._listen(child, port), _all(child))
        finally:
            watch.cancel()
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
            self._shared.meter.timed(self._log.durations())
            self._log.remove()
        if not self._shared.stop.is_set():
            self._ended(output)

    def _arguments(self, port: int) -> list[str]:
        plan = self._shared.plan
        jobs = min(plan.clients, os.cpu_count() or 1)
        return [
            str(self._program), "--no-vacuum", f"--rate={plan.rate:g}", f"--time={FOR_EVER}", "--progress=1",
            "--progress-timestamp", f"--client={plan.clients}", f"--jobs={jobs}",
            *self._log.arguments(),
            conninfo.dsn(port, self._shared.directory / "pgpass"),
        ]  # fmt: skip

    async def _listen(self, child: Process, port: int) -> None:
        assert child.stderr is not None
        before: float | None = None
        async for line in child.stderr:
            text = line.decode(errors="replace").strip()
            progress = parse(text)
            if progress is not None:
                self._heard(progress, progress.at - before if before is not None else 1.0, port)
                before = progress.at
            elif "error:" in text:
                self._shared.problem = text

    def _heard(self, progress: Progress, seconds: float, port: int) -> None:
        done = round(progress.per_second * seconds)
        self._last = progress
        self._run += done
        self._shared.meter.counted(done, progress.failed)
        self._shared.meter.timed(self._log.durations())
        now = time.monotonic()
        if progress.failed:
            self._missed_at = now
        if done:
            self._active_at = now
            self._shared.acknowledged(port, None)

    def _ended(self, output: str) -> None:
        """Its summary, where there is one, has the exact count. What was under way is unknown."""
        self._missed_at = time.monotonic()
        if found := _PROCESSED.search(output):
            self._shared.meter.counted(max(0, int(found[1]) - self._run))
        if found or self._run:  # else it never connected
            for _ in range(self._shared.plan.clients):
                self._shared.meter.doubtful(1)

    async def _watch(self, child: Process, port: int) -> None:
        """End it when the load ends, or when its server is silent and another one takes writes."""
        stop = self._shared.stop
        while not stop.is_set():
            await writer.pause(stop, 0.5)
            if time.monotonic() - self._active_at > STALL and await self._moved(port):
                break
        with suppress(ProcessLookupError):
            child.kill()

    async def _moved(self, port: int) -> bool:
        with suppress(psycopg.Error, TimeoutError):
            return await self._writable_port() != port
        return False


async def _all(child: Process) -> str:
    assert child.stdout is not None
    return (await child.stdout.read()).decode(errors="replace")


def environment() -> Mapping[str, str]:
    """As for every PostgreSQL program, and the name that its sessions bear."""
    return {**binaries.environment(), "PGAPPNAME": "pgreplterm load"}
