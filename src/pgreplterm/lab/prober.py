"""The prober: clients that write ids in order and journal what became of each.

Owns: the process behind ``Lab.start_prober``. Must not: judge; its journals are the evidence.

Run as ``python -m pgreplterm.lab.prober LAB_FOLDER WAY INTERVAL JOURNAL...``, one journal a client. It ends after the
current attempts on SIGTERM, and by itself when the lab is gone.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import psycopg

from pgreplterm.lab import writer
from pgreplterm.lab.conninfo import Way
from pgreplterm.lab.journal import Attempt, Outcome, Server, client_of
from pgreplterm.lab.writer import LabGone

_WHO = (
    "SELECT system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int, pg_backend_pid(),"
    " extract(epoch FROM backend_start)::float8 FROM pg_control_system(), pg_stat_activity WHERE pid = pg_backend_pid()"
)


class Prober:
    """Writes (client, 1), (client, 2), ... to ``pgreplterm_probe``; an id is used once, whatever became of it."""

    def __init__(self, directory: Path, client: int, journal: TextIO, way: Way = Way.QUICK) -> None:
        """A prober that is not connected yet."""
        self._directory = directory
        self._client = client
        self._journal = journal
        self._way = way
        self._link: writer.Link | None = None
        self._warnings: writer.Warnings | None = None
        self._server: Server | None = None
        self._connections = 0

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
        await self._drop()

    async def _attempt(self, number: int) -> Attempt:
        sent, epoch = time.monotonic(), time.time()
        port: int | None = None
        server: Server | None = None
        outcome, reason = Outcome.ERROR, ""
        try:
            link = await self._connected()
            port, server = link.info.port, self._server
            outcome, reason = await self._write(link, number)
        except (psycopg.Error, TimeoutError) as error:
            reason = str(error) or "no node answered in time"  # nothing was sent
        return Attempt(number, sent, epoch, time.monotonic(), outcome, port, reason, server)

    async def _connected(self) -> writer.Link:
        if self._link is None:
            if self._way is Way.APPLICATION:
                link = await writer.connect_as_application(self._directory, "prober")
            else:
                link = await writer.connect(self._directory, "prober")
            try:
                await self._introduce(link)
            except BaseException:
                await link.close()
                raise
            self._link, self._warnings = link, writer.Warnings(link)
        return self._link

    async def _introduce(self, link: writer.Link) -> None:
        """Journal who it is that answers here."""
        row = await (await writer.execute(link, _WHO)).fetchone()
        if row is None:
            raise psycopg.OperationalError("the server does not know this connection")
        self._connections += 1
        self._server = Server(self._connections, link.info.port, *row)
        self._journal.write(self._server.line())

    async def _write(self, link: writer.Link, number: int) -> tuple[Outcome, str]:
        """The outcome of one insert: unknown unless the server said either way."""
        assert self._warnings is not None  # there is a connection
        self._warnings.taken()
        try:
            await writer.execute(
                link, "INSERT INTO pgreplterm_probe (client, id) VALUES (%s, %s)", self._client, number
            )
        except psycopg.Error as error:
            if not writer.refused(error) or writer.is_read_only(error):  # it became a standby: look for another
                await self._drop()
            return (Outcome.ERROR if writer.refused(error) else Outcome.UNKNOWN), str(error)
        if self._warnings.taken():
            return Outcome.UNKNOWN, "committed locally, replication was not awaited"
        return Outcome.OK, ""

    async def _drop(self) -> None:
        if self._link is not None:
            await self._link.close()
            self._link = self._server = None


async def probe(directory: Path, way: Way, interval: float, paths: list[Path]) -> None:
    """Run one prober a journal until SIGTERM or the end of the lab."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with suppress(LabGone):
        await asyncio.gather(*(_journaled(directory, way, interval, path, stop) for path in paths))


async def _journaled(directory: Path, way: Way, interval: float, path: Path, stop: asyncio.Event) -> None:
    with path.open("a", buffering=1, encoding="utf-8") as journal:
        await Prober(directory, client_of(path), journal, way).run(interval, stop)


def main() -> None:
    """Run the probers named on the command line."""
    directory, way, interval, *paths = sys.argv[1:]
    asyncio.run(probe(Path(directory), Way(way), float(interval), [Path(path) for path in paths]))


if __name__ == "__main__":
    main()
