"""``wal dump --follow`` beside a server that writes: every line that pg_waldump prints, once, soon after its commit."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pgreplterm.lab.binaries import environment

from .corpus import lsn_of
from .servers import EDGES, Server, throwaway_server
from .truth import assert_same_output, run_waldump

_SECONDS = 30.0  # for a line to come; it comes in one
_SETTINGS = {"synchronous_commit": "on", "track_commit_timestamp": "on"}


class Follower:
    """A ``wal dump --follow`` whose lines are taken as they come."""

    def __init__(self, *args: str | Path) -> None:
        command = [sys.executable, "-m", "pgreplterm", "wal", "dump", "--follow", *map(str, args)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        self._queue: queue.Queue[bytes] = queue.Queue()
        self.lines: list[bytes] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._queue.put(line)
        self._queue.put(b"")

    def until(self, text: str) -> bytes:
        """Take lines up to one that holds text."""
        while True:
            line = self._queue.get(timeout=_SECONDS)
            assert line, f"ended before {text!r}: {self.end()}"
            self.lines.append(line)
            if text.encode() in line:
                return line

    def end(self, how: signal.Signals | None = None) -> tuple[int, str]:
        """Interrupt it if asked to, and return its exit status and what it said."""
        if how is not None:
            self._process.send_signal(how)
        assert self._process.stderr is not None
        said = self._process.stderr.read().decode()
        self._reader.join()
        while not self._queue.empty():
            self.lines.append(self._queue.get())
        return self._process.wait(_SECONDS), said

    def close(self) -> None:
        """Whatever happened, leave no process."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()


@contextmanager
def following(*args: str | Path) -> Iterator[Follower]:
    follower = Follower(*args)
    try:
        yield follower
    finally:
        follower.close()


@pytest.fixture(params=EDGES)
def server(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Server]:
    with throwaway_server(request.param, scratch / "followed", "--wal-segsize=1", **_SETTINGS) as server:
        yield server


def _mark(server: Server, name: str) -> None:
    """A committed record that carries the name."""
    with server.connect() as session:
        session.execute("select pg_logical_emit_message(true, %s, 'x')", (name,))


def _lsn(server: Server) -> str:
    with server.connect() as session:
        row = session.execute("select pg_current_wal_insert_lsn()").fetchone()
        assert row is not None
        return str(row[0])


_WORK = (
    "create table grown (id int, body text)",
    "insert into grown select n, repeat('x', n) from generate_series(1, 300) n",
    "select pg_switch_wal()",
    "insert into grown select n, repeat('y', n) from generate_series(1, 3000) n",
    "select pg_logical_emit_message(true, 'long', repeat('m', 2500000))",
    "update grown set id = id + 1",
    "select pg_switch_wal()",
    "checkpoint",
    "delete from grown",
)


@pytest.mark.parametrize("source", ["folder", "server"])
def test_it_prints_what_is_written_while_it_runs(server: Server, source: str) -> None:
    begin = _lsn(server)
    path = server.wal if source == "folder" else f"host={server.folder} user=postgres dbname=postgres"
    _mark(server, "mark-first")
    with following(path, "-s", begin) as follower:
        follower.until('"mark-first"')
        for number, statement in enumerate(_WORK):
            with server.connect() as session:
                session.execute(statement)
            _mark(server, f"mark-{number}")
            follower.until(f'"mark-{number}"')
        last = follower.until("desc: COMMIT")
        assert follower.end(signal.SIGINT)[0] == 130
    ours = b"".join(follower.lines[: follower.lines.index(last) + 1])
    theirs = run_waldump(server.bin, "-p", server.wal, "-s", begin, "-e", _lsn(server))
    theirs = theirs.partition(b"\n")[2] if theirs.startswith(b"first record is after") else theirs
    assert_same_output(ours, theirs[: theirs.index(last) + len(last)], server.bin)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_quietly(server: Server, how: signal.Signals) -> None:
    begin = _lsn(server)
    _mark(server, "mark")
    with following(server.data, "-s", begin) as follower:
        follower.until('"mark"')
        status, said = follower.end(how)
    assert status == 130
    assert "Traceback" not in said
    assert [line for line in said.splitlines() if "first record is after" not in line] == []


def test_an_end_and_a_limit_end_it(server: Server) -> None:
    begin = _lsn(server)
    _mark(server, "mark-one")
    with following(server.wal, "-s", begin, "-n", "2") as few:
        assert few.end()[0] == 0
    assert len(few.lines) - few.lines.count(b"") == 2
    end = f"0/{lsn_of(_lsn(server)) + 200_000:X}"
    with following(server.wal, "-s", begin, "-e", end) as follower:
        follower.until('"mark-one"')
        with server.connect() as session:
            session.execute("create table filler as select n, repeat('f', 100) from generate_series(1, 5000) n")
        assert follower.end()[0] == 0
    assert b'"mark-one"' in b"".join(follower.lines)


def test_across_a_promotion_if_latest_says_so(server: Server) -> None:
    begin = _lsn(server)
    _mark(server, "mark-one")
    with (
        following(server.wal, "-s", begin, "--timeline", "latest") as latest,
        following(server.wal, "-s", begin, "--timeline", "1") as staying,
    ):
        for follower in (latest, staying):
            follower.until('"mark-one"')
        server.promote()
        _mark(server, "mark-two")
        latest.until("desc: END_OF_RECOVERY")
        latest.until('"mark-two"')
        staying.until("desc: CHECKPOINT_SHUTDOWN")
        assert latest.end(signal.SIGINT)[0] == staying.end(signal.SIGINT)[0] == 130
    assert b'"mark-two"' not in b"".join(staying.lines)
    lsns = [line.partition(b"lsn: ")[2].partition(b",")[0] for line in latest.lines if line]
    assert lsns == sorted(set(lsns)), "each once, in order"


def test_a_segment_recycled_under_a_stopped_reader_is_one_sentence(scratch: Path) -> None:
    """SIGSTOP holds the reader while the server goes on and removes what it keeps no longer."""
    small = {"max_wal_size": "2MB", "min_wal_size": "2MB", "wal_keep_size": "0"}
    with throwaway_server(EDGES[-1], scratch / "recycling", "--wal-segsize=1", **_SETTINGS | small) as server:
        begin = _lsn(server)
        _mark(server, "mark-one")
        with following(server.wal, "-s", begin) as follower:
            follower.until('"mark-one"')
            follower._process.send_signal(signal.SIGSTOP)
            with server.connect() as session:
                session.execute("create table filler (body text)")
                for _ in range(8):
                    session.execute("insert into filler select repeat('f', 100) from generate_series(1, 5000) n")
                    session.execute("select pg_switch_wal()")
                    session.execute("checkpoint")
            follower._process.send_signal(signal.SIGCONT)
            status, said = follower.end()
    assert status == 2, said
    assert said.rstrip().splitlines()[-1].endswith("keep it."), said
    assert "Traceback" not in said
