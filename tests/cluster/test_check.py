"""``pgreplterm check`` in the situations that docs/check.md specifies, on real servers.

Exit code and first line are held against the table of that page, so that the page is the specification.
"""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pytest

from pgreplterm.cli import run
from tests.wal.servers import EDGES

from .replicas import Cluster, Node, cluster
from .slow_line import slow_line

TREE = {"pg1": None, "s1": "pg1", "s2": "pg1"}
MB = 1024**2
_STATUS_INTERVAL = 3  # seconds; so long after the last write the lag columns turn NULL
_SPECIFICATION = Path(__file__).parents[2] / "docs" / "check.md"
_WORDS = {
    "<size>": r"\d+(\.\d)? [kMGT]?B",
    "<time>": r"\d+(\.\d)? s",
    "<gap>": r"(no replay gap|largest replay gap \d+(\.\d)? [kM]?B \(s[12]\))",
    "<more>": r"( \(and \d+ more\))?",
    "<reason>": r"( \(wal_removed\))?",
    "<reason given>": r"[^|]+",
    "<file>": r"[0-9A-F]{24}",
    "<number>": r"\d+ WAL files?",
    "<LSN>": r"[0-9A-F]+/[0-9A-F]+",
    "<address>": r"\S+:5432",
}


@lru_cache
def specified() -> dict[str, tuple[int, str]]:
    """The table of situations: exit code and first line by name."""
    rows = re.findall(r"^\| ([a-z, ]+) \| (\d) \| `(PGREPLTERM .*)` \|$", _SPECIFICATION.read_text(), re.MULTILINE)
    return {name: (int(code), line) for name, code, line in rows}


def archiving(made: Cluster) -> None:
    """Have the primary archive, and the standbys report often."""
    made["pg1"].configure(archive_mode="on", archive_command="true")
    made["pg1"].stop()
    made["pg1"].start()
    for name in ("s1", "s2"):
        made[name].configure(wal_receiver_status_interval=_STATUS_INTERVAL)
        made[name].sql("select pg_reload_conf()")
        made[name].wait_for("status = 'streaming' from pg_stat_wal_receiver")


@pytest.fixture(scope="module", params=EDGES, ids=lambda major: f"pg{major}")
def steady(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster that archives, for faults that a test heals."""
    with cluster(request.param, TREE) as made:
        archiving(made)
        yield made


@pytest.fixture(params=EDGES, ids=lambda major: f"pg{major}")
def doomed(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """One that its test may break for good."""
    with cluster(request.param, TREE) as made:
        yield made


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Run the command line; hold exit code and first line against the specification; give the lines."""

    def checked(situation: str, *args: str) -> list[str]:
        code = run(["check", *args])
        said = capsys.readouterr()
        lines = said.out.splitlines()
        expected, line = specified()[situation]
        pattern = re.escape(line)
        for word, meant in _WORDS.items():
            pattern = pattern.replace(re.escape(word), meant)
        assert re.fullmatch(rf"{pattern}( \| '.*)?", lines[0]), said.out
        assert code == expected, said.out
        assert said.err == ""
        return lines

    return checked


def await_caught_up(made: Cluster) -> None:
    """Return once both standbys have replayed what the primary has written by now."""
    end = made["pg1"].sql("select pg_current_wal_lsn()::text")
    for name in ("s1", "s2"):
        made[name].wait_for(f"pg_last_wal_replay_lsn() >= '{end}'")


def write(node: Node, megabytes: int) -> None:
    """That much WAL, as messages that leave no rows behind."""
    node.sql(f"select pg_logical_emit_message(false, 'x', repeat('x', {MB})) from generate_series(1, {megabytes})")


@contextmanager
def configured(node: Node, **settings: str) -> Iterator[None]:
    """Settings by ALTER SYSTEM, which synchronous replication must not hold up, and back."""
    local = "set synchronous_commit = local"
    for name, value in settings.items():
        node.sql(local, f"alter system set {name} = '{value}'", "select pg_reload_conf()")
    try:
        yield
    finally:
        for name in settings:
            node.sql(local, f"alter system reset {name}", "select pg_reload_conf()")


def figures(line: str) -> dict[str, list[str]]:
    """The first line's figures by label: value, warning, critical, minimum."""
    return {label: rest.split(";") for label, rest in re.findall(r"'([^']+)'=(\S+)", line.split(" | ")[1])}


Check = Callable[..., list[str]]


def test_healthy(steady: Cluster, check: Check) -> None:
    await_caught_up(steady)
    steady.write(rows=1000)
    (line,) = check("healthy", *steady.dsns())
    found = figures(line)
    assert re.fullmatch(r"\d+B", found["s1_replay"][0])
    assert found["s1_replay"][1:] == [str(10 * MB), str(1024 * MB), "0"]
    assert re.fullmatch(r"\d+\.\d{3}s", found["s2_time"][0])
    assert {"pg1_slot_s1_retained", "pg1_slot_s2_retained"} <= set(found)


def test_idle(steady: Cluster, check: Check) -> None:
    await_caught_up(steady)
    steady["pg1"].wait_for("bool_and(replay_lag is null and flush_lag is null) from pg_stat_replication")
    (line,) = check("idle", *steady.dsns())
    assert figures(line)["s1_replay"][0] == "0B"


def test_stalled(steady: Cluster, check: Check) -> None:
    """The walreceiver is stopped while behind: only the bytes and the age of the evidence tell."""
    await_caught_up(steady)
    steady["s1"].send_to_walreceiver(signal.SIGSTOP)
    try:
        write(steady["pg1"], 5)
        lines = check("stalled", *steady.dsns())
        assert steady["pg1"].sql("select state from pg_stat_replication where application_name = 's1'") == "streaming"
    finally:
        steady["s1"].send_to_walreceiver(signal.SIGCONT)
    assert lines[1].startswith("WARNING stale: s1 has not confirmed anything")
    assert any("what to do: " in line for line in lines)
    await_caught_up(steady)


def test_paused(steady: Cluster, check: Check) -> None:
    await_caught_up(steady)
    steady["s1"].sql("select pg_wal_replay_pause()")
    try:
        write(steady["pg1"], 12)
        lines = check("paused", *steady.dsns())
    finally:
        steady["s1"].sql("select pg_wal_replay_resume()")
    assert [line.split(":")[0] for line in lines[1:] if line.startswith("WARNING")] == [
        "WARNING replay-paused",
        "WARNING replay-lag",
    ]
    await_caught_up(steady)


def test_lagging(steady: Cluster, check: Check) -> None:
    """A line of 1 MB a second: 20 MB are on their way for 20 s."""
    pg1, s1 = steady["pg1"], steady["s1"]
    with slow_line(pg1.folder, pg1.folder.parent / "slow", MB) as folder:
        conninfo = f"host={folder} user=postgres application_name=s1"
        with configured(s1, primary_conninfo=conninfo):
            s1.wait_for(f"status = 'streaming' and sender_host = '{folder}' from pg_stat_wal_receiver")
            pg1.wait_for("state = 'streaming' from pg_stat_replication where application_name = 's1'")
            write(pg1, 25)
            lines = check("lagging", *steady.dsns())
            assert float(figures(lines[0])["s1_unsent"][0].removesuffix("B")) > 10 * MB
    s1.wait_for(f"status = 'streaming' and sender_host = '{pg1.folder}' from pg_stat_wal_receiver")
    (folder / ".s.PGSQL.5432").unlink()
    folder.rmdir()
    await_caught_up(steady)


def test_sync_frozen(steady: Cluster, check: Check) -> None:
    with configured(steady["pg1"], synchronous_standby_names="FIRST 1 (s1)"):
        steady["pg1"].wait_for("sync_state = 'sync' from pg_stat_replication where application_name = 's1'")
        check("healthy", *steady.dsns())
        steady["s1"].stop()
        steady["pg1"].wait_for("count(*) = 1 from pg_stat_replication")
        try:
            lines = check("sync frozen", *steady.dsns())
        finally:
            steady["s1"].start()
        assert any(line.startswith("WARNING unreachable: ") for line in lines)
    steady["s1"].wait_for("status = 'streaming' from pg_stat_wal_receiver")


def test_archiver_failing(steady: Cluster, check: Check) -> None:
    with configured(steady["pg1"], archive_command="false"):
        write(steady["pg1"], 1)
        steady["pg1"].sql("select pg_switch_wal()")
        steady["pg1"].wait_for("failed_count > 0 from pg_stat_archiver")
        check("archiver failing", *steady.dsns())
    write(steady["pg1"], 1)
    steady["pg1"].sql("select pg_switch_wal()")  # wakes an archiver that would try again after a minute (13)
    steady["pg1"].wait_for("last_archived_time > last_failed_time from pg_stat_archiver")
    await_caught_up(steady)


def test_unreachable(steady: Cluster, check: Check) -> None:
    steady["s2"].stop()
    try:
        lines = check("unreachable", *steady.dsns())
    finally:
        steady["s2"].start()
    assert "'s1_replay'" in lines[0]
    steady["s2"].wait_for("status = 'streaming' from pg_stat_wal_receiver")
    nobody = [f"host={steady[name].folder} port=1 user=postgres" for name in TREE]
    run_nobody = [dsn.replace("port=1", "port=5432").replace("/pg1", "/x").replace("/s", "/y") for dsn in nobody]
    check("unreachable, all", *run_nobody)


def test_no_privilege(steady: Cluster, check: Check) -> None:
    lines = check("no privilege", *steady.dsns("nobody_special"))
    assert "'s1_unsent'=U" in lines[0]
    assert not any(line.startswith(("WARNING", "CRITICAL")) for line in lines)


def test_pg_monitor_is_enough(steady: Cluster, check: Check) -> None:
    await_caught_up(steady)
    check("healthy", *steady.dsns("watcher"))


def test_the_primary_alone_tells_of_standbys_nobody_watches(steady: Cluster, check: Check) -> None:
    await_caught_up(steady)
    steady["s1"].send_to_walreceiver(signal.SIGSTOP)
    try:
        write(steady["pg1"], 5)
        check("stalled", "--no-discover", steady["pg1"].dsn)
    finally:
        steady["s1"].send_to_walreceiver(signal.SIGCONT)
    await_caught_up(steady)


def test_slot_nearly_lost_then_lost(doomed: Cluster, check: Check) -> None:
    pg1 = doomed["pg1"]
    pg1.configure(max_slot_wal_keep_size="128MB", wal_keep_size=0, max_wal_size="64MB", min_wal_size="32MB")
    pg1.sql("select pg_reload_conf()")
    doomed["s1"].stop()
    pg1.wait_for("not active from pg_replication_slots where slot_name = 's1'")
    while pg1.sql("select safe_wal_size from pg_replication_slots where slot_name = 's1'") > 40 * MB:
        write(pg1, 8)
    lines = check("slot nearly lost", *doomed.dsns())
    assert any(line.startswith("WARNING slot-inactive: slot s1 on pg1 is used by nobody") for line in lines)
    assert 0 < float(figures(lines[0])["pg1_slot_s1_safe"][0].removesuffix("B")) < 40 * MB

    for _ in range(8):
        write(pg1, 16)
        pg1.sql("select pg_switch_wal()")
    pg1.sql("checkpoint", "checkpoint")
    pg1.wait_for("wal_status = 'lost' from pg_replication_slots where slot_name = 's1'")
    check("slot lost", *doomed.dsns())


def test_split_brain_then_diverged(doomed: Cluster, check: Check) -> None:
    await_caught_up(doomed)
    pg1, s1 = doomed["pg1"], doomed["s1"]
    s1.sql("select pg_promote()")
    check("split brain", *doomed.dsns())

    doomed.write("pg1")
    doomed.write("s1")
    s1.sql("select pg_create_physical_replication_slot('pg1')")
    pg1.stop()
    pg1.follow(s1)
    pg1.make_standby()
    pg1.start()
    check("diverged", *doomed.dsns())


def test_json_is_one_document_with_the_texts(steady: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    steady["s1"].sql("select pg_wal_replay_pause()")
    try:
        assert run(["check", "--json", *steady.dsns()]) == 1
    finally:
        steady["s1"].sql("select pg_wal_replay_resume()")
    document = json.loads(capsys.readouterr().out)
    assert (document["status"], document["exit_code"]) == ("WARNING", 1)
    assert document["limits"]["replay_gap"] == 10 * MB
    (finding,) = document["verdict"]["findings"]
    assert (finding["rule"], finding["node"], finding["severity"]) == ("replay-paused", "s1", "warning")
    assert all(finding[key] for key in ("text", "evidence", "meaning", "action", "mysql"))
    assert {figure["label"] for figure in document["figures"]} >= {"s1_replay", "s1_time", "pg1_slot_s1_retained"}


def test_it_ends_in_time_whatever_is_frozen(steady: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    steady["s2"].send(signal.SIGSTOP)
    try:
        started = time.monotonic()
        assert run(["check", "--timeout", "5", *steady.dsns()]) == 1
        took = time.monotonic() - started
    finally:
        steady["s2"].send(signal.SIGCONT)
    assert " is silent" in capsys.readouterr().out
    assert took < 6
    await_caught_up(steady)


def test_wrong_option(check: Check) -> None:
    check("wrong option", "--profile", "x")


def test_every_specified_situation_has_a_test() -> None:
    called = set(re.findall(r'check\("([a-z, ]+)"', Path(__file__).read_text()))
    assert called == set(specified())
