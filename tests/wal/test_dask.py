"""Stretches walked by real worker processes of a Dask cluster: the same answers, whoever dies on the way."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from pgreplterm.errors import CannotConnect, ExitCode
from pgreplterm.wal import WalSource, open_source, verify
from pgreplterm.wal import dask_engine as engine_room
from pgreplterm.wal.choice import Choice
from pgreplterm.wal.dask_engine import Dask, dask_cluster, dask_processes
from pgreplterm.wal.follow import follow
from pgreplterm.wal.stretches import Stretch
from pgreplterm.wal.tally import KINDS, Counting
from pgreplterm.wal.verification import count

from .builder import Wal, noop_of
from .corpus import MB
from .ends import PAGE
from .servers import MAJORS, Server, scratch_folder, throwaway_server

distributed = pytest.importorskip("distributed")

DEADLINE = 120
LENGTH = 8 * PAGE

# ---- WAL ----


def _fill(server: Server) -> None:
    """Three segments of 16 MB and more."""
    with server.connect() as session:
        for _ in range(3):
            session.execute("insert into filler select n, repeat('f', 1000) from generate_series(1, 17000) n")


@pytest.fixture(scope="module")
def archive(scratch: Path) -> Iterator[Path]:
    """A server promoted twice; a byte of timeline 1 is flipped, and a segment of timeline 2 is gone."""
    with scratch_folder() as kept:
        with throwaway_server(MAJORS[-1], scratch / "dask") as server:
            with server.connect() as session:
                session.execute("create table filler (n int, body text)")
            _fill(server)
            for _ in range(2):
                server.promote()
                _fill(server)
            server.stop()
            folder = kept / "archive"
            shutil.copytree(server.wal, folder)
        damaged, missing = (sorted(folder.glob(f"{timeline:08X}" + "?" * 16))[1] for timeline in (1, 2))
        with damaged.open("r+b") as segment:
            segment.seek(5 * MB + 4321)
            byte = segment.read(1)[0]
            segment.seek(-1, os.SEEK_CUR)
            segment.write(bytes([byte ^ 4]))
        missing.unlink()
        yield folder


def _built(folder: Path) -> WalSource:
    """Crossing records, switches, an aborted one, two damages and a gap, in stretches of a few pages."""
    built = Wal(18, start=5 * MB, segment_size=MB)
    for number in range(5):
        for _ in range(300):
            built.append(noop_of(1000))
        built.append(noop_of(12 * PAGE))
        built.fill_to(16)
        built.abort_record(noop_of(3 * PAGE))
        if number in (1, 3):
            built.poke(built.records[-100] + 400, b"\xff")
        built.append(noop_of(1000))
        built.switch()
    files = built.write(folder)
    files[2].unlink()
    return open_source(folder)


# ---- clusters ----


@pytest.fixture(scope="module")
def engine() -> Iterator[Dask]:
    """Two processes of our own; what they could not do fails the test that asked."""
    said: list[str] = []
    with dask_processes(2, said.append, LENGTH) as engine:
        yield engine
    assert not said


@contextmanager
def _cluster(**options: Any) -> Iterator[Any]:
    """Somebody's cluster, whose scheduler listens on a port."""
    with (
        tempfile.TemporaryDirectory() as folder,
        distributed.LocalCluster(
            processes=True, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50,
            local_directory=folder, scheduler_kwargs={"local_directory": folder}, **options,
        ) as cluster,
    ):  # fmt: skip
        yield cluster


def _address(cluster: Any) -> str:
    return str(cluster.scheduler_address).removeprefix("tcp://")


def _assert_same(source: WalSource, engine: Dask, kinds: tuple[str, ...] = KINDS) -> None:
    assert list(verify(source, engine)) == list(verify(source))
    for kind in kinds:
        counting = Counting(kind, Choice(), source.format)
        (tally, reports), (alone, alone_reports) = count(source, counting, engine), count(source, counting)
        assert (tally.rows(), tally.lines(), reports) == (alone.rows(), alone.lines(), alone_reports), kind


# ---- the same answers ----


def test_every_kind_of_table(engine: Dask, tmp_path: Path) -> None:
    source = _built(tmp_path)
    assert len(source.runs) == 2
    assert sum(len(report.damages) for report in verify(source)) == 2
    _assert_same(source, engine)


def test_a_servers_wal(engine: Dask, archive: Path) -> None:
    source, coarse = open_source(archive), Dask(engine._client, pytest.fail, 2 * MB)
    _assert_same(source, coarse, ("minute",))
    _assert_same(follow(source), coarse, ("relation",))


def test_a_defect_is_raised_and_not_hidden(engine: Dask, tmp_path: Path) -> None:
    """A worker that fails is nothing; that the reader fails at the same record is."""
    source = _built(tmp_path)

    class Broken(Choice):
        def keep(self, rows: Any) -> Any:
            raise ZeroDivisionError(str(rows.count))

    said: list[str] = []
    with pytest.raises(ZeroDivisionError):
        count(source, Counting("record", Broken(), source.format), Dask(engine._client, said.append, LENGTH))


def _wal(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "pgreplterm", "wal", *map(str, words)]


def _stop_at_first_stretch(folder: Path) -> tuple[Any, int]:
    """A plugin that stops the first worker to begin a stretch, for good, and where its process id can be read."""
    fifo, taken = folder / "stopped", folder / "taken"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)

    class StopAtFirst(distributed.WorkerPlugin):  # type: ignore[misc]
        def transition(self, *key_and_states: str, **_: Any) -> None:
            if key_and_states[-1] != "executing":
                return
            try:
                os.close(os.open(taken, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            with fifo.open("w") as stopped:
                stopped.write(f"{os.getpid()}\n")
            os.kill(os.getpid(), signal.SIGSTOP)

    return StopAtFirst(), reading


@pytest.mark.parametrize("words", [("verify",), ("stat", "--by", "record")], ids=["verify", "stat"])
@pytest.mark.parametrize("timeline", ["all", "latest"])
def test_a_worker_killed_on_the_way(words: tuple[str, ...], timeline: str, archive: Path, tmp_path: Path) -> None:
    """One is stopped with a stretch in its hands, then killed; what the command prints is what it prints alone."""
    command = _wal(*words, "--json", "--timeline", timeline, archive)
    alone = subprocess.run(command, capture_output=True, check=False, timeout=DEADLINE)
    assert alone.returncode == ExitCode.FINDING
    plugin, reading = _stop_at_first_stretch(tmp_path)
    with _cluster(n_workers=2) as cluster, distributed.Client(cluster, set_as_default=False) as client:
        client.register_plugin(plugin)
        spread = subprocess.Popen(
            [*command, "--engine", f"dask://{_address(cluster)}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            poll = select.poll()
            poll.register(reading, select.POLLIN)
            assert poll.poll(DEADLINE * 1000), "no worker began a stretch"
            killed = int(os.read(reading, 100))
            assert killed in [child.pid for child in psutil.Process().children(recursive=True)]
            os.kill(killed, signal.SIGKILL)
            out, err = spread.communicate(timeout=DEADLINE)
        finally:
            os.close(reading)
            spread.kill()
            spread.wait()
    assert (spread.returncode, out) == (alone.returncode, alone.stdout), err.decode()
    assert err == alone.stderr, "nobody had to step in for the workers"


def test_processes_of_this_machine(archive: Path) -> None:
    command = _wal("verify", "--json", archive)
    alone, spread = (
        subprocess.run([*command, *words], capture_output=True, check=False, timeout=DEADLINE)
        for words in ((), ("--engine", "dask", "--jobs", "2"))
    )
    assert (spread.returncode, spread.stdout, spread.stderr) == (alone.returncode, alone.stdout, b"")


# ---- workers that are of no use ----


def test_a_path_that_only_we_can_read(engine: Dask, tmp_path: Path) -> None:
    """Of all processes only this one finds the folder there."""
    _built(tmp_path)
    folder = os.open(tmp_path, os.O_RDONLY)
    said: list[str] = []
    try:
        source = open_source(Path(f"/proc/self/fd/{folder}"))
        _assert_same(source, Dask(engine._client, said.append, LENGTH), ("record",))
    finally:
        os.close(folder)
    (sentence,) = said
    assert f"/proc/self/fd/{folder}" in sentence
    assert sentence.endswith("it is done here instead.")


def test_stretches_that_kill_their_workers_are_walked_here(tmp_path: Path) -> None:
    source, client_pid = _built(tmp_path), os.getpid()

    class Deadly(Choice):
        def keep(self, rows: Any) -> Any:
            if os.getpid() != client_pid:
                os.kill(os.getpid(), signal.SIGKILL)
            return rows

    import dask

    counting, said = Counting("record", Deadly(), source.format), list[str]()
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        _cluster(n_workers=1) as cluster,
        dask_cluster(_address(cluster), said.append, MB) as engine,
    ):
        tally, _ = count(source, counting, engine)
    assert tally.rows() == count(source, counting)[0].rows()
    assert len(said) == 1 and "KilledWorker" in said[0]


def test_another_version_on_a_worker(tmp_path: Path) -> None:
    source = _built(tmp_path)
    run = source.runs[0]
    found = engine_room._walk("0.0", source, run, Stretch(run.segments[0].start, run.segments[1].start), None)
    assert found.walked is None and found.trouble is not None
    assert found.trouble.startswith("expected pgreplterm 0.0 on the workers, found ")


def test_a_scheduler_that_goes_away(tmp_path: Path) -> None:
    source, said = _built(tmp_path), list[str]()
    with _cluster(n_workers=1) as cluster, dask_cluster(_address(cluster), said.append, LENGTH) as engine:
        reports = verify(source, engine)
        found = [next(reports)]
        cluster.close()
        found += reports
    assert found == list(verify(source))
    assert len(said) == 1


def test_no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_room, "_CONNECT_SECONDS", 1)
    with (
        pytest.raises(CannotConnect, match=r"127\.0\.0\.1:1: expected a Dask scheduler"),
        dask_cluster("127.0.0.1:1", print),
    ):
        pass


def test_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_room, "_CONNECT_SECONDS", 1)
    with (
        _cluster(n_workers=0) as cluster,
        pytest.raises(CannotConnect, match="it has none"),
        dask_cluster(_address(cluster), print),
    ):
        pass


def test_without_dask(tmp_path: Path) -> None:
    _built(tmp_path)
    script = (
        "import sys\nsys.modules['distributed'] = None\nfrom pgreplterm.cli import run\n"
        f"sys.exit(run(['wal', 'verify', '--engine', 'dask', {str(tmp_path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert done.stderr.count("\n") == 1
    assert "pip install 'pgreplterm[dask]'" in done.stderr


@pytest.mark.parametrize("engine_word", ["dask://", "dask://host", "spark", "dask:8786"])
def test_engines_that_there_are_not(engine_word: str, tmp_path: Path) -> None:
    done = subprocess.run(
        _wal("verify", "--engine", engine_word, tmp_path), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert "dask://HOST:PORT" in done.stderr


# ---- nothing is left ----


def test_an_interrupt_leaves_no_process(tmp_path: Path) -> None:
    source = _built(tmp_path)
    before = set(Path(tempfile.gettempdir()).glob("*dask*"))
    with pytest.raises(KeyboardInterrupt), dask_processes(2, print, LENGTH) as engine:
        workers = [psutil.Process(pid) for pid in engine._client.run(os.getpid).values()]
        assert len(workers) == 2
        with engine.ahead(source, source.runs[0]):
            raise KeyboardInterrupt
    assert not any(worker.is_running() for worker in workers)
    assert set(Path(tempfile.gettempdir()).glob("*dask*")) == before
