"""WAL streaming through the relay against the same stream without it, in turn: one walsender, one receiver."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import statistics
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from pgreplterm.lab import links, process
from pgreplterm.lab.account import server_account
from pgreplterm.lab.binaries import prepare
from pgreplterm.lab.links import Edge, Links
from pgreplterm.lab.ports import Reservation
from tests.cluster.replicas import Node
from tests.wal.servers import require_bin, scratch_folder

PROMISED = 0.9  # of the direct rate
MAJOR = 18
ROWS = 300_000  # of a kilobyte
SLOT = "bench"


@dataclass(frozen=True)
class Streams:
    """A server with much WAL behind a slot, its port, and that of a relay in front of it."""

    server: Node
    direct: int
    relayed: int
    start: str
    end: str
    size: int


@pytest.fixture(scope="module")
def streams() -> Iterator[Streams]:
    """More than 300 MB of WAL."""
    with scratch_folder() as folder:
        reserved = Reservation(2)
        direct, relayed = reserved.ports
        reserved.release()
        server = _server(folder, direct)
        try:
            start = server.sql(f"select lsn::text from pg_create_physical_replication_slot('{SLOT}', true)")
            rows = f"select i, repeat(md5(i::text), 32) from generate_series(1, {ROWS}) i"
            end = server.sql(f"create table t as {rows}", "select pg_switch_wal()::text")
            size = int(server.sql(f"select '{end}'::pg_lsn - '{start}'::pg_lsn"))
            known = Links().with_edge(Edge("receiver", "server", relayed, direct))
            links.write(folder, known)
            relay = links.start_relay(folder)
            links.await_relay(folder, relay, known.serial)
            yield Streams(server, direct, relayed, start, end, size)
            (folder / links.FILE_NAME).unlink()
            process.wait_until(lambda: not process.is_running(relay), 10)
        finally:
            server.stop(signal.SIGQUIT)


def _server(scratch: Path, port: int) -> Node:
    account = server_account()
    binaries = prepare(require_bin(MAJOR), account, scratch / "runtime").directory
    folder = scratch / "server"
    folder.mkdir()
    account.own(folder)
    settings = {"listen_addresses": "127.0.0.1", "port": port, "max_replication_slots": 100}
    server = Node(binaries, folder, account, settings, name="server", port=port)
    server.initdb()
    server.start()
    return server


def read_stream(streams: Streams, port: int) -> float:
    """Take the whole stream and look at none of it, the fastest receiver there can be; seconds."""
    begun = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port)) as sock:
        words = b"user\0postgres\0replication\0true\0\0"
        sock.sendall(struct.pack("!II", 8 + len(words), 0x30000) + words)
        answer = b""
        while not answer.endswith(b"Z\0\0\0\5I"):  # ready for a query
            answer += sock.recv(65536)
        command = f"START_REPLICATION PHYSICAL {streams.start}".encode() + b"\0"
        sock.sendall(b"Q" + struct.pack("!I", 4 + len(command)) + command)
        left, buffer = streams.size, memoryview(bytearray(1 << 20))
        while left > 0:
            left -= sock.recv_into(buffer)
    return time.perf_counter() - begun


_numbers = itertools.count()


def receive_wal(streams: Streams, port: int) -> float:
    """pg_receivewal, which writes the segments down; seconds from its start to its end."""
    slot = f"{SLOT}_{next(_numbers)}"
    streams.server.sql(f"select pg_copy_physical_replication_slot('{SLOT}', '{slot}')")
    folder = streams.server.folder / slot
    folder.mkdir()
    streams.server.account.own(folder)
    try:
        address = ("-h", "127.0.0.1", "-p", str(port), "-U", "postgres")
        begun = time.perf_counter()
        streams.server.run("pg_receivewal", *address, "-D", folder, "-S", slot, "--no-sync", f"--endpos={streams.end}")
        took = time.perf_counter() - begun
        received = sum(segment.stat().st_size for segment in folder.iterdir())
        assert received >= streams.size
        return took
    finally:
        shutil.rmtree(folder)
        streams.server.sql(f"select pg_drop_replication_slot('{slot}')")


@pytest.mark.parametrize("receiver", [read_stream, receive_wal])
def test_relay(benchmark: BenchmarkFixture, streams: Streams, receiver: Callable[[Streams, int], float]) -> None:
    """The same WAL, direct and through the relay, one after the other."""
    took: dict[int, list[float]] = {streams.direct: [], streams.relayed: []}

    def pair() -> None:
        for port, seconds in took.items():
            seconds.append(receiver(streams, port))

    benchmark.pedantic(pair, rounds=7, warmup_rounds=1)
    direct, relayed = (statistics.median(seconds[1:]) for seconds in took.values())
    ratio = statistics.median(one / other for one, other in zip(*took.values(), strict=True))
    mega = streams.size / 1e6
    print(f"\n{receiver.__name__}, {mega:.0f} MB of WAL: direct {mega / direct:.0f} MB/s, ", end="")
    print(f"through the relay {mega / relayed:.0f} MB/s: {ratio:.0%}", end="")
    print(f" (promised {PROMISED:.0%})" if receiver is receive_wal else " (a receiver that does no work)", end="")
    print(f"; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
