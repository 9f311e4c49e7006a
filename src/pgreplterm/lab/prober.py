"""The prober: one client that writes ids in order and journals what became of each.

Owns: the process behind ``Lab.start_prober``. Must not: judge; its journal is the evidence.

Run as ``python -m pgreplterm.lab.prober LAB_FOLDER JOURNAL INTERVAL``. It ends after the current attempt on
SIGTERM, and by itself when the lab is gone.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import psycopg

from pgreplterm.lab import writer
from pgreplterm.lab.journal import Attempt, Outcome, client_of
from pgreplterm.lab.writer import LabGone


class Prober:
    """Writes (client, 1), (client, 2), ... to ``pgreplterm_probe``; an id is used once, whatever became of it."""

    def __init__(self, directory: Path, client: int, journal: TextIO) -> None:
        """A prober that is not connected yet."""
        self._directory = directory
        self._client = client
        self._journal = journal
        self._link: psycopg.AsyncConnection[Any] | None = None
        self._warned = False

    async def run(self, interval: float, stop: asyncio.Event) -> None:
        """Probe every interval seconds until told to stop. Raises LabGone."""
        number = 0
        due = time.monotonic()
        while not stop.is_set():
            number += 1
            self._journal.write((await self._attempt(number)).line())
            due = max(due + interval, time.monotonic())
            if self._link is None:
                due = time.monotonic() + writer.RECONNECT_PAUSE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        if self._link is not None:
            await self._link.close()

    async def _attempt(self, number: int) -> Attempt:
        sent, epoch = time.monotonic(), time.time()
        port: int | None = None
        outcome, reason = Outcome.ERROR, ""
        try:
            link = await self._connected()
            port = link.info.port
            outcome, reason = await self._write(link, number)
        except (psycopg.Error, TimeoutError) as error:
            reason = str(error) or "no node answered in time"  # nothing was sent
        return Attempt(number, sent, epoch, time.monotonic(), outcome, port, reason)

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._link is None:
            self._link = await writer.connect(self._directory, "prober")
            self._link.add_notice_handler(self._noticed)
        return self._link

    async def _write(self, link: psycopg.AsyncConnection[Any], number: int) -> tuple[Outcome, str]:
        """The outcome of one insert: unknown unless the server said either way."""
        self._warned = False
        try:
            await writer.execute(
                link, "INSERT INTO pgreplterm_probe (client, id) VALUES (%s, %s)", self._client, number
            )
        except psycopg.Error as error:
            refused = error.diag.severity_nonlocalized == "ERROR"
            if not refused or error.sqlstate == "25006":  # read-only: it became a standby, look for another
                await self._drop()
            return (Outcome.ERROR if refused else Outcome.UNKNOWN), str(error)
        if self._warned:
            return Outcome.UNKNOWN, "committed locally, replication was not awaited"
        return Outcome.OK, ""

    async def _drop(self) -> None:
        if self._link is not None:
            await self._link.close()
            self._link = None

    def _noticed(self, notice: psycopg.errors.Diagnostic) -> None:
        """A cancelled wait for synchronous replication is a success with a warning."""
        if notice.severity_nonlocalized == "WARNING":
            self._warned = True


async def probe(directory: Path, path: Path, interval: float) -> None:
    """Run one prober until SIGTERM or the end of the lab."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with path.open("a", buffering=1, encoding="utf-8") as journal:
        try:
            await Prober(directory, client_of(path), journal).run(interval, stop)
        except LabGone:
            return


def main() -> None:
    """Run the prober named on the command line."""
    directory, path, interval = sys.argv[1:]
    asyncio.run(probe(Path(directory), Path(path), float(interval)))


if __name__ == "__main__":
    main()
