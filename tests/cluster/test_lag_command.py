"""``pgreplterm lag`` on real servers: the table, the JSON contract, percentiles, and the estimate as it comes true."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest

from pgreplterm.cli import run
from pgreplterm.cluster.model import ClusterSnapshot, Link
from pgreplterm.errors import ExitCode
from pgreplterm.lab.lab import Lab

from .replicas import Cluster
from .watching import until, watch

HEADINGS = "NODE OF STATE UNSENT WRITE FLUSH REPLAY TIME ETA AGE WAL/S REPLAY/S"
SPREAD_HEADINGS = "NODE FIGURE P50 P95 P99 MAX KNOWN UNKNOWN"
KEYS = [
    *("name", "downstream", "upstream", "kind", "state", "gaps", "time_lag", "caught_up", "evidence_age", "catch_up"),
    "rates",
]


def link(snapshot: ClusterSnapshot, name: str) -> Link:
    found = snapshot.link_to(name)
    assert found is not None
    return found


def test_one_row_a_link_and_the_verdict(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lag", *calm.dsns()]) == ExitCode.OK
    out = capsys.readouterr().out.splitlines()
    assert " ".join(out[0].split()) == HEADINGS
    rows = [line.split() for line in out[1:4]]
    assert [row[:7] for row in rows] == [
        ["s1", "pg1", "streaming", "0", "0", "0", "0"],
        ["leaf", "s1", "streaming", "0", "0", "0", "0"],
        ["s2", "pg1", "streaming", "0", "0", "0", "0"],
    ]
    assert all(row[8] == "-" and row[9] != "?" for row in rows)
    assert all("?" not in row for row in rows), "a second is enough for rates"
    assert out[-1].startswith("3 of 3 standbys streaming")


def test_json_keys_are_a_contract(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lag", "--json", *calm.dsns()]) == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["taken_at", "verdict", "links"]
    assert [list(one) for one in document["links"]] == [KEYS] * 3
    first = document["links"][0]
    assert (first["downstream"], first["upstream"], first["kind"], first["caught_up"]) == ("s1", "pg1", "standby", True)
    assert first["catch_up"] is None
    assert set(first["rates"]) == {"wal", "replay", "window"}
    assert first["rates"]["window"] > 0.5


def test_for_some_seconds_ends_with_percentiles(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lag", "--for", "1", "--interval", "0.1", "--json", *calm.dsns()]) == ExitCode.OK
    measured = json.loads(capsys.readouterr().out)["links"][0]["percentiles"]
    assert list(measured) == ["seconds", "flush", "replay", "time"]
    assert list(measured["replay"]) == ["p50", "p95", "p99", "max", "known", "unknown"]
    assert measured["replay"]["known"] > 2
    assert measured["replay"]["unknown"] == 0

    assert run(["lag", "--for", "0.5", *calm.dsns()]) == ExitCode.OK
    below = capsys.readouterr().out.split("\n\n")[-1].splitlines()
    assert " ".join(below[0].split()) == SPREAD_HEADINGS
    assert [line.split()[:2] for line in below[1:4]] == [["s1", "flush"], ["s1", "replay"], ["s1", "time"]]


def test_watched_it_is_a_line_a_tick(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lag", "--watch", "--interval", "0.2", "--for", "1", "--json", *calm.dsns()]) == ExitCode.OK
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) > 2
    assert ["percentiles" in line["links"][0] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert [line["taken_at"] for line in lines] == sorted(line["taken_at"] for line in lines)


def test_without_privileges_nothing_is_0(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lag", "--for", "0.5", "--json", *calm.dsns("nobody_special")]) == ExitCode.NO_PRIVILEGE
    first = json.loads(capsys.readouterr().out)["links"][0]
    assert first["gaps"]["unsent"] is None
    assert first["evidence_age"] is not None, "the standby itself was asked just now"
    assert first["gaps"]["replay"] == 0, "both ends tell everyone their positions"


def test_a_standby_that_streams_from_nobody_is_a_row_of_unknowns(
    sturdy: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    leaf = sturdy["leaf"]
    leaf.configure(primary_conninfo="")
    leaf.sql("select pg_reload_conf()")
    leaf.wait_for("count(*) = 0 from pg_stat_wal_receiver")
    try:
        assert run(["lag", *sturdy.dsns()]) == ExitCode.FINDING
        rows = {row[0]: row for row in map(str.split, capsys.readouterr().out.splitlines()[1:4])}
        assert rows["leaf"][2:4] == ["not", "streaming"]
        assert set(rows["leaf"][4:]) == {"?"}
    finally:
        leaf.follow(sturdy["s1"])
        leaf.sql("select pg_reload_conf()")
        leaf.wait_for("status = 'streaming' from pg_stat_wal_receiver")


def test_nobody_there_is_exit_three_and_takes_no_measuring(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lag", "host=127.0.0.1 port=1"]) == ExitCode.CANNOT_CONNECT
    assert "Connection refused" in capsys.readouterr().out


def test_a_lab_by_name(shared_lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lag", "--json", "--lab", shared_lab.name]) == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert {one["downstream"]: one["upstream"] for one in document["links"]} == {
        record.name: record.upstream for record in shared_lab.nodes if record.upstream
    }


def test_the_terminal_library_is_not_imported() -> None:
    code = (
        "import sys; from pgreplterm.cli import run; run(['lag', 'host=127.0.0.1 port=1']); "
        "sys.exit('textual' in sys.modules or 'docker' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


async def test_paused_replay_never_catches_up_and_slow_replay_does(sturdy: Cluster) -> None:
    """Ten megabytes are left behind, then replayed in slow motion: never, then a figure, then nothing to catch up."""
    s2 = sturdy["s2"]
    async with watch(sturdy) as sampler:
        s2.sql("select pg_wal_replay_pause()")
        try:
            sturdy.write(rows=200_000)
            paused = await until(sampler, lambda seen: (link(seen, "s2").gaps.replay or 0) > 10_000_000)
            catch_up = link(paused, "s2").catch_up
            assert catch_up is not None
            assert catch_up.never
            async with slowly(startup_process(s2.family())):
                s2.sql("select pg_wal_replay_resume()")
                moving = await until(
                    sampler, lambda seen: (found := link(seen, "s2").catch_up) and found.seconds is not None
                )
                seen = link(moving, "s2")
                assert seen.rates is not None
                assert (seen.rates.replay or 0) > seen.rates.wal
                assert seen.catch_up is not None
                assert (seen.catch_up.seconds or 0) > 0
            level = await until(sampler, lambda seen: link(seen, "s2").gaps.replay == 0)
            assert link(level, "s2").catch_up is None
        finally:
            s2.sql("select pg_wal_replay_resume()")


def startup_process(family: list[psutil.Process]) -> psutil.Process:
    (found,) = [one for one in family if ": startup " in " ".join(one.cmdline())]
    return found


@asynccontextmanager
async def slowly(process: psutil.Process) -> AsyncIterator[None]:
    """The process gets a few milliseconds at a time."""

    async def hinder() -> None:
        try:
            while True:
                process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(0.1)
                process.send_signal(signal.SIGCONT)
                await asyncio.sleep(0.002)
        finally:
            process.send_signal(signal.SIGCONT)

    task = asyncio.create_task(hinder())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
