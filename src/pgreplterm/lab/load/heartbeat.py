"""The heartbeat: one row that holds the primary's clock.

Owns: writing it, so that a reader of any node can tell how old what it sees is. Must not: judge that.
"""

from __future__ import annotations

import time

import psycopg

from pgreplterm.lab import writer
from pgreplterm.lab.load.shared import Shared

BEAT = 0.1
"""Seconds between two heartbeats: the age a reader sees on a node that misses nothing."""

# Not awaited by any standby: it is a clock, and must go on where commits wait.
_OPTIONS = f"-c synchronous_commit=local -c statement_timeout={writer.SERVER_TIMEOUT * 1000:.0f}"
_BEAT = (
    "INSERT INTO pgreplterm_heartbeat (one, at) VALUES (true, clock_timestamp())"
    " ON CONFLICT (one) DO UPDATE SET at = excluded.at RETURNING extract(epoch FROM at)::float8"
)


async def beat(shared: Shared) -> None:
    """Write it until told to stop, on whichever node is primary. Raises writer.LabGone."""
    while not shared.stop.is_set():
        try:
            async with await writer.connect(shared.directory, "heartbeat", _OPTIONS) as link:
                while not shared.stop.is_set():
                    sent = time.monotonic()
                    row = await (await writer.execute(link, _BEAT)).fetchone()
                    assert row is not None  # RETURNING
                    shared.clock.told(row[0], (sent + time.monotonic()) / 2)
                    await writer.pause(shared.stop, BEAT)
        except (psycopg.Error, TimeoutError):
            await writer.pause(shared.stop, BEAT)
