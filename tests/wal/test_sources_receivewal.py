"""What pg_receivewal leaves behind, plain and compressed, closed and killed."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgreplterm import wal
from pgreplterm.lab.binaries import environment
from pgreplterm.wal import LSN, WalSource, open_source
from pgreplterm.wal.report import EndKind

from .servers import EDGES, Server, throwaway_server

KINDS = {"plain": (), "gz": ("--compress=1",), "lz4": ("--compress=lz4",)}


@pytest.fixture(scope="module", params=EDGES)
def server(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Server]:
    """A server to receive from."""
    with throwaway_server(request.param, scratch / "sender", "--wal-segsize=1") as server:
        yield server


def _receive(server: Server, kind: str, end: signal.Signals) -> tuple[Path, LSN]:
    """The folder of a pg_receivewal that was ended so, and how far it had told the server that it was safe."""
    folder = server.folder / f"{kind}-{end.name}"
    folder.mkdir()
    server.account.own(folder)
    name = f"receiver_{kind}_{end.name}"
    command = [server.bin / "pg_receivewal", "-h", server.folder, "-U", "postgres", "-D", folder, "--synchronous"]
    with server.connect() as session, (folder.with_suffix(".log")).open("w") as log:
        receiver = subprocess.Popen(
            [*map(str, command), *KINDS[kind]],
            env={**environment(), "PGAPPNAME": name}, stderr=log, stdout=log, cwd="/", **server.account.spawn_options,
        )  # fmt: skip
        try:
            sends = f"select from pg_stat_replication where application_name = '{name}'"
            _wait(session, receiver, folder, f"exists ({sends} and state = 'streaming')")
            session.execute(f"create table {name} as select n, repeat('r', 100) from generate_series(1, 15000) n")
            session.execute("select pg_switch_wal()")
            session.execute(f"insert into {name} select n, repeat('s', 100) from generate_series(1, 500) n")
            row = session.execute("select pg_current_wal_insert_lsn()").fetchone()
            assert row is not None
            session.execute("checkpoint")
            _wait(session, receiver, folder, f"exists ({sends} and flush_lsn >= '{row[0]}')")
        finally:
            receiver.send_signal(end)
            receiver.wait(30)
    return folder, LSN.parse(row[0])


def _wait(session: psycopg.Connection[Any], receiver: subprocess.Popen[bytes], folder: Path, condition: str) -> None:
    deadline = time.monotonic() + 30
    while receiver.poll() is None and time.monotonic() < deadline:
        if session.execute(f"select {condition}").fetchone() == (True,):
            return
        time.sleep(0.01)
    said = folder.with_suffix(".log").read_text()
    if "does not support compression" in said:
        pytest.skip(said.strip())
    raise AssertionError(f"never saw {condition}: {said}")


def _is_readable(source: WalSource, flushed: LSN) -> None:
    (report,) = wal.verify(source)
    assert report.damages == ()
    assert report.end in (EndKind.CLEAN, EndKind.UNFINISHED, EndKind.TORN), report.sentence
    assert report.end_lsn >= flushed


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_all_that_it_flushed_is_read(kind: str, end: signal.Signals, server: Server) -> None:
    """Its last file is a .partial; killed, it leaves compressed data that has no end."""
    folder, flushed = _receive(server, kind, end)
    source = open_source(folder)
    last = source.segments[-1]
    assert last.name.partial
    assert last.file_name.endswith(".partial" if kind == "plain" else f".{kind}.partial")
    _is_readable(source, flushed)
