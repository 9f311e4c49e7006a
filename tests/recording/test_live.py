"""Recordings of real clusters: equal when replayed, without a secret, through the command, killed at any moment."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pgreplterm.cluster.serialize import snapshot_document
from pgreplterm.errors import ExitCode
from pgreplterm.recording.reader import Recording
from pgreplterm.recording.segments import closed_files
from pgreplterm.recording.writer import DEFAULT_LIMIT, Writer
from tests.cluster.replicas import Cluster, cluster
from tests.wal.servers import EDGES

from .clusters import PAIR, failover, laid_bare
from .invent import small

DEADLINE = 30.0


@pytest.mark.parametrize("major", EDGES, ids=lambda major: f"pg{major}")
async def test_a_recorded_failover_is_replayed_snapshot_by_snapshot(tmp_path: Path, major: int) -> None:
    path = tmp_path / "failover"
    with cluster(major, PAIR) as made, Writer(path, title="test", interval=0.1) as writer:
        given = await failover(made, writer)
        secrets = [b"hunter2", f"host={made['pg1'].folder} user".encode()]
    for by_scan in (False, True):
        with Recording(path, by_scan=by_scan) as recording:
            replayed = [recording.snapshot(number) for number in range(len(recording))]
            assert replayed == given
            assert list(map(repr, replayed)) == list(map(repr, given))
            assert [mark.text for mark in recording.marks] == ["fault injected", "promoted"]
            assert recording.damage is None
    assert list(map(snapshot_document, replayed)) == list(map(snapshot_document, given))
    assert b"primary_conninfo_host" in laid_bare(path), "the test looks at the right bytes"
    assert not [secret for secret in secrets if secret in laid_bare(path)]


@pytest.mark.parametrize("seed", range(12))
def test_a_killed_recorder_loses_one_snapshot_at_most(tmp_path: Path, seed: int) -> None:
    path, chance = tmp_path / "killed", random.Random(seed)
    limit = 60_000 if seed % 2 else DEFAULT_LIMIT  # every other one turns files all the time
    command = [sys.executable, "-m", "tests.recording.endless", path, str(limit)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout is not None
        told = len(recorder.stdout.read(1))  # it has begun
        time.sleep(chance.random() * 0.3)
        recorder.kill()
        told += len(recorder.stdout.read())
    ticks = small(200)
    with Recording(path) as recording:
        assert not recording.is_closed or limit != DEFAULT_LIMIT  # it may have been closed to be renamed just now
        recording.check()
        kept = [recording.snapshot(number) for number in range(len(recording))]
        assert recording.unreadable == 0
    assert kept, "nothing was recorded"
    # The count is told after the write, so the file may hold one more than was told and never one less.
    ends_with = [number for number in (told, told + 1) if kept[-1] == ticks[(number - 1) % len(ticks)]]
    assert ends_with
    assert kept == [ticks[number % len(ticks)] for number in range(ends_with[0] - len(kept), ends_with[0])]
    if limit == DEFAULT_LIMIT:
        assert len(kept) == ends_with[0]
    else:
        assert sum(file.stat().st_size for file in [*closed_files(path), path] if file.exists()) <= limit


@pytest.fixture(scope="module")
def pair() -> Iterator[Cluster]:
    """A primary and two standbys that nobody hurts."""
    with cluster(EDGES[-1], PAIR) as made:
        yield made


def pgreplterm(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pgreplterm", *map(str, words)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


def listed(path: Path) -> dict[str, object]:
    done = pgreplterm("replay", path, "--json")
    assert "Traceback" not in done.stderr
    return dict(json.loads(done.stdout))


@contextmanager
def recorder(path: Path, made: Cluster, *words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "pgreplterm", "record", path, *made.dsns(), "--interval", "0.1", *words]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def count(path: Path) -> int:
    if not path.exists():
        return 0
    with Recording(path) as recording:
        return len(recording)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_a_recording_properly(pair: Cluster, tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "r"
    with recorder(path, pair) as process:
        wait_for(lambda: count(path) >= 3)
        process.send_signal(number)
        out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == ExitCode.OK, err
    assert out.startswith(f"wrote {path}: ") and out.count("\n") == 1
    assert err.count("\n") == 1 and "Ctrl-C ends it" in err
    assert listed(path)["closed"] is True
    assert listed(path)["snapshots"] == int(out.split()[2])


def test_a_killed_recorder_of_a_real_cluster_leaves_a_readable_file(pair: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "r"
    with recorder(path, pair) as process:
        wait_for(lambda: count(path) >= 5)
        process.kill()
        process.wait()
    assert listed(path)["closed"] is False
    assert int(str(listed(path)["snapshots"])) >= 5
    assert "not closed" in pgreplterm("replay", path, "--list").stdout
    assert pgreplterm("status", "--replay", path).returncode == ExitCode.OK


def test_typed_lines_and_what_happens_become_marks(tmp_path: Path) -> None:
    path = tmp_path / "r"
    with cluster(EDGES[-1], PAIR) as made, recorder(path, made) as process:
        assert process.stdin is not None
        wait_for(lambda: count(path) >= 3)
        process.stdin.write("pulling the plug\n\n")
        wait_for(lambda: len(listed(path)["marks"]) == 1)  # type: ignore[arg-type]
        made["pg1"].stop(signal.SIGQUIT)
        made["s1"].sql("select pg_promote()")
        wait_for(lambda: "s1 promoted, timeline 2" in str(listed(path)["marks"]))
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=DEADLINE)
    texts = [mark["text"] for mark in listed(path)["marks"]]  # type: ignore[attr-defined]
    assert texts[0] == "pulling the plug"
    assert "pg1 down" in " ".join(texts) or "pg1 starting" in " ".join(texts)
    assert f"and {len(texts)} marks" in out
    at_mark = pgreplterm("status", "--replay", path, "--at", "s1 promoted")
    assert [line.split()[:2] for line in at_mark.stdout.splitlines()][1] == ["s1", "primary"]
    before = pgreplterm("status", "--replay", path, "--at", "#1", "--json")
    assert [node["role"] for node in json.loads(before.stdout)["nodes"]] == ["primary", "standby", "standby"]


def test_it_refuses_to_overwrite_and_goes_on_when_told(pair: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "r"
    first = pgreplterm("record", path, *pair.dsns(), "--for", "0.5", "--interval", "0.1")
    assert first.returncode == ExitCode.OK, first.stderr
    before, content = count(path), path.read_bytes()
    again = pgreplterm("record", path, *pair.dsns(), "--for", "0.5")
    assert again.returncode == ExitCode.USAGE
    assert again.stderr.count("\n") == 1 and "a file of that name exists" in again.stderr
    assert path.read_bytes() == content
    assert pgreplterm("record", path, *pair.dsns(), "--for", "0.5", "--append").returncode == ExitCode.OK
    assert count(path) > before
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    done = pgreplterm("record", tmp_path / "no" / "such" / "folder", "host=127.0.0.1 port=1")
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.count("\n") == 1 and "No such file or directory" in done.stderr


def test_the_password_of_the_dsn_is_not_recorded(pair: Cluster, tmp_path: Path) -> None:
    dsns = [f"{dsn} password=swordfish9" for dsn in pair.dsns()] + ["host=127.0.0.1 port=1 password=swordfish9"]
    done = pgreplterm("record", tmp_path / "r", *dsns, "--for", "0.5", "--interval", "0.1")
    bare = laid_bare(tmp_path / "r")
    assert b"Connection refused" in bare
    assert not [word for word in (b"swordfish9", b"hunter2", b"conninfo=", b"user=postgres") if word in bare]
    assert "swordfish9" not in done.stdout + done.stderr
