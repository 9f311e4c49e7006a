"""``pgreplterm slots``: used and unused ones, a lost one, and nodes that cannot be asked."""

from __future__ import annotations

import json

import pytest

from pgreplterm.cli import run
from pgreplterm.errors import ExitCode

from .replicas import Cluster


def test_who_uses_what(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    calm["pg1"].wait_for("count(*) = 2 from pg_replication_slots where restart_lsn is not null")
    calm["s1"].wait_for("count(*) = 1 from pg_replication_slots where restart_lsn is not null")
    assert run(["slots", *calm.dsns()]) == ExitCode.OK
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0][:2] == ["SLOT", "ON"]
    assert [row[:5] for row in rows[1:]] == [
        ["s1", "pg1", "physical", "s1", "reserved"],
        ["s2", "pg1", "physical", "s2", "reserved"],
        ["leaf", "s1", "physical", "leaf", "reserved"],
    ]
    assert all(row[6:8] == ["-", "-"] for row in rows[1:])


def test_an_unused_slot_and_a_server_that_is_down(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    primary = calm["pg1"]
    primary.sql("select pg_create_physical_replication_slot('idle_one', true)")
    try:
        assert run(["slots", "--json", primary.dsn, "host=127.0.0.1 port=1", "--no-discover"]) == ExitCode.FINDING
        document = json.loads(capsys.readouterr().out)
    finally:
        primary.sql("select pg_drop_replication_slot('idle_one')")
    (idle,) = [slot for slot in document["slots"] if slot["name"] == "idle_one"]
    assert (idle["active"], idle["used_by"]) == (False, None)
    assert idle["retained"] >= 0 and idle["restart_lsn"]
    assert (idle["inactive_age"] is None) == (primary.sql("show server_version_num") < "170000")
    assert document["unknown_nodes"] == ["127.0.0.1:1"]


def test_a_lost_slot(doomed: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    primary = doomed["pg1"]
    primary.sql("select pg_create_physical_replication_slot('forgotten', true)")
    primary.sql("alter system set max_slot_wal_keep_size = '1MB'", "alter system set wal_keep_size = 0")
    primary.sql("select pg_reload_conf()")
    for _ in range(3):
        primary.sql("select pg_switch_wal()", "insert into t values (1)", "checkpoint")
    assert run(["slots", "--no-discover", primary.dsn]) == ExitCode.FINDING
    out = capsys.readouterr().out
    (row,) = [line.split() for line in out.splitlines() if line.startswith("forgotten")]
    assert row[3] == "-" and row[4] in ("lost", "wal_removed")
    assert row[5] == "?" or row[5][0].isdigit()
    assert "! slot forgotten on pg1 is lost" in out


def test_no_slots_and_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["slots", "host=127.0.0.1 port=1"]) == ExitCode.CANNOT_CONNECT
    assert capsys.readouterr().out.splitlines() == [
        "no replication slots", "", "? 127.0.0.1:1 down: its slots are unknown",
    ]  # fmt: skip
