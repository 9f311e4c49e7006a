"""The load: rows written at a steady rate, as many small transactions as rows.

Owns: the process behind ``Lab.start_load``. Must not: journal each row; that is the prober's.

Run as ``python -m pgreplterm.lab.load LAB_FOLDER PROGRESS_FILE RATE``. PROGRESS_FILE is JSON: rows and errors so
far and when it was written (epoch seconds), replaced once a second. It follows a failover by reconnecting, ends
on SIGTERM, and by itself when the lab is gone.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from pgreplterm.lab import writer
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.state import replace_file

TICK = 0.01
"""Seconds between two bursts of single-row transactions."""

ARREARS = 1.0
"""Seconds of backlog that are made up for; older arrears (an outage) are forgiven, not fired at the new primary."""

KEPT_ROWS = 200_000
TRIM_EVERY = 5_000
"""The data lies in memory: every so many rows, all but the newest KEPT_ROWS are deleted."""


class Load:
    """Inserts into ``orders``, catching up with the clock at every tick."""

    def __init__(self, directory: Path, progress: Path, rate: float) -> None:
        """A load that is not connected yet; rate is in rows per second."""
        self._directory = directory
        self._progress = progress
        self._rate = rate
        self._rows = 0
        self._errors = 0
        self._reported = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Write until told to stop. Raises writer.LabGone."""
        while not stop.is_set():
            try:
                link = await writer.connect(self._directory, "load")
                async with link:
                    await self._write(link, stop)
            except (psycopg.Error, TimeoutError):
                self._errors += 1
                self._report()
                await asyncio.sleep(writer.RECONNECT_PAUSE)

    async def _write(self, link: psycopg.AsyncConnection[Any], stop: asyncio.Event) -> None:
        owed = 1.0
        last = time.monotonic()
        while not stop.is_set():
            while owed >= 1 and not stop.is_set():
                await self._insert(link)
                owed -= 1
            self._report()
            await asyncio.sleep(TICK)
            now = time.monotonic()
            owed = min(owed + (now - last) * self._rate, max(1.0, ARREARS * self._rate))
            last = now

    async def _insert(self, link: psycopg.AsyncConnection[Any]) -> None:
        await writer.execute(
            link,
            "INSERT INTO orders (customer, amount) VALUES (%s, %s)",
            random.randrange(10_000),
            random.randrange(1_000_000) / 100,
        )
        self._rows += 1
        if self._rows % TRIM_EVERY == 0:
            await writer.execute(link, "DELETE FROM orders WHERE id < (SELECT max(id) FROM orders) - %s", KEPT_ROWS)

    def _report(self) -> None:
        now = time.monotonic()
        if self._rows and now - self._reported >= 1.0:
            self._reported = now
            facts = {"rows": self._rows, "errors": self._errors, "written_at": time.time()}
            try:
                replace_file(self._progress, json.dumps(facts) + "\n")
            except LabError:
                raise writer.LabGone(f"the lab in {self._directory} is gone") from None


async def load(directory: Path, progress: Path, rate: float) -> None:
    """Run one load until SIGTERM or the end of the lab."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        await Load(directory, progress, rate).run(stop)
    except writer.LabGone:
        return


def main() -> None:
    """Run the load named on the command line."""
    directory, progress, rate = sys.argv[1:]
    asyncio.run(load(Path(directory), Path(progress), float(rate)))


if __name__ == "__main__":
    main()
