"""The pg_wal of a running server: whatever it is doing, reading beside it finds no damage.

A server writes whole pages, so what it has written so far often ends in the middle of a record; that reads as torn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.wal.lsn import LSN

from .servers import EDGES, Server, require_bin, throwaway_server

LOOKS = 40
PATIENCE = 30.0  # seconds
SMALL = {"max_wal_size": "24MB", "min_wal_size": "8MB", "wal_keep_size": "4MB"}  # so that segments are recycled


@contextmanager
def _busy(server: Server) -> Iterator[None]:
    """Two sessions that write small records, large ones and switches until the block ends."""
    done = threading.Event()
    failures: list[BaseException] = []

    def write(statement: str) -> None:
        try:
            with server.connect() as session:
                while not done.is_set():
                    session.execute(statement)
        except BaseException as error:
            failures.append(error)

    statements = (
        "insert into busy select n, repeat('x', n) from generate_series(1, 300) n",
        "select pg_logical_emit_message(false, '', repeat('m', 30000)), pg_switch_wal()",
    )
    threads = [threading.Thread(target=write, args=(statement,)) for statement in statements]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []


@pytest.mark.parametrize("major", EDGES)
def test_a_live_pg_wal_is_never_damaged(major: int, scratch: Path) -> None:
    require_bin(major)
    with throwaway_server(major, scratch / "live", "--wal-segsize=1", **SMALL) as server:
        with server.connect() as session:
            session.execute("create table busy (id int, body text)")
            with _busy(server):
                ends = [_end_of(server.wal) for _ in range(LOOKS)]
            row = session.execute("select pg_current_wal_insert_lsn()").fetchone()
            assert row is not None
        assert ends == sorted(ends)
        assert ends[-1] > ends[0]
        assert ends[-1] <= LSN.parse(row[0])


def _end_of(folder: Path) -> int:
    """Where the WAL ends now. A segment may be recycled while we read; then the answer is to look again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            reports = list(wal.verify(wal.open_source(folder)))
            break
        except wal.WalError:
            assert time.monotonic() < deadline, "every look met a segment that was being recycled"
    damages = [damage.sentence for report in reports for damage in report.damages]
    assert damages == []
    assert not reports[-1].is_finding, reports[-1].sentence
    return reports[-1].end_lsn
