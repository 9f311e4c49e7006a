"""A lab built from a file is what the file says, and stays so through a failover."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg
import pytest

from pgreplterm.lab.errors import LabError
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.process import wait_until
from pgreplterm.lab.shape.lab_file import read_text
from pgreplterm.lab.shape.plan import LabPlan, NodePlan
from pgreplterm.lab.shape.toml import plan_to_toml
from pgreplterm.lab.shape.tree import read_shape, shape_of
from tests.conftest import MakeLab

SHOP = """\
segment_size = "1MB"
archive = true
synchronous = "ANY 1 (pg1, pg2, pg3)"

[settings]
work_mem = "8MB"

[[node]]
name = "pg1"
[node.settings]
work_mem = "7MB"

[[node]]
name = "pg2"
follows = "pg1"

[[node]]
name = "pg3"
follows = "pg1"
delay = "1h"
[node.settings]
work_mem = "1MB"

[[node]]
name = "pg4"
follows = "pg2"
"""
SETTINGS = (
    "work_mem", "fsync", "synchronous_standby_names", "recovery_min_apply_delay", "archive_mode", "restore_command",
)  # fmt: skip


def ask(lab: Lab, node: str, statement: str) -> object:
    with psycopg.connect(lab.dsn(node), autocommit=True) as link:
        cursor = link.execute(statement)  # type: ignore[arg-type]
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def comes(lab: Lab, node: str, question: str) -> bool:
    """Whether the answer becomes true."""
    with psycopg.connect(lab.dsn(node), autocommit=True) as link:
        return wait_until(lambda: link.execute(question).fetchone() == (True,), 20)  # type: ignore[arg-type]


def settings(lab: Lab, node: str) -> dict[str, str]:
    return {name: str(ask(lab, node, f"SHOW {name}")) for name in SETTINGS}


def confirming(lab: Lab, node: str) -> object:
    """Who streams from that node, and whether commits wait for it."""
    question = "SELECT string_agg(application_name || ' ' || sync_state, ', ' ORDER BY application_name)"
    return ask(lab, node, f"{question} FROM pg_stat_replication")


def archived(lab: Lab, node: str) -> Path:
    """Finish the segment that node writes, and wait for its copy in the archive."""
    segment = str(ask(lab, node, "SELECT pg_walfile_name(pg_switch_wal())"))
    assert comes(lab, node, f"SELECT coalesce(last_archived_wal >= '{segment}', false) FROM pg_stat_archiver")
    return lab.directory / "archive" / segment


def test_a_file_becomes_servers(make_lab_on: MakeLab) -> None:
    lab = make_lab_on(plan=read_text(SHOP, "shop.toml"))
    assert {node.name: (node.state.value, node.upstream) for node in lab.status()} == {
        "pg1": ("running", None),
        "pg2": ("streaming", "pg1"),
        "pg3": ("streaming", "pg1"),
        "pg4": ("streaming", "pg2"),
    }
    assert [ask(lab, name, "SHOW work_mem") for name in ("pg1", "pg2", "pg3", "pg4")] == ["7MB", "8MB", "1MB", "8MB"]
    assert ask(lab, "pg4", "SHOW fsync") == "on"
    assert ask(lab, "pg1", "SHOW wal_segment_size") == "1MB"
    plan = lab.plan()
    assert shape_of(plan.nodes) == "pg1(pg2(pg4), pg3@1h)"
    assert read_text(plan_to_toml(plan), "again") == plan

    # Two standbys are asked, either confirms; the delayed one confirms what it will show in an hour.
    assert confirming(lab, "pg1") == "pg2 quorum, pg3 quorum"
    ask(lab, "pg1", "CREATE TABLE arrives AS SELECT 42 AS answer")
    position = ask(lab, "pg1", "SELECT pg_current_wal_lsn()::text")
    assert comes(lab, "pg4", f"SELECT pg_last_wal_replay_lsn() >= '{position}'")
    assert comes(lab, "pg3", f"SELECT pg_last_wal_receive_lsn() >= '{position}'")
    assert ask(lab, "pg4", "SELECT to_regclass('arrives') IS NOT NULL") is True
    assert ask(lab, "pg3", "SELECT to_regclass('arrives') IS NOT NULL") is False
    lab.freeze("pg2")
    lab.freeze("pg3")
    writer = threading.Thread(target=ask, args=(lab, "pg1", "INSERT INTO arrives VALUES (43)"), daemon=True)
    writer.start()
    assert comes(lab, "pg1", "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    lab.thaw("pg2")
    writer.join(20)
    assert not writer.is_alive()  # pg2 alone was enough
    lab.thaw("pg3")


def test_the_archive_replaces_nothing_and_is_restored_from(make_lab_on: MakeLab) -> None:
    plan = LabPlan(read_shape("pg1(pg2)"), segment_size=1, archive=True)
    lab = make_lab_on(plan=plan)
    ask(lab, "pg1", "CREATE TABLE t AS SELECT 1 AS word")
    lab.stop("pg2")
    first = archived(lab, "pg1")
    assert first.stat().st_size == 1 << 20
    ask(lab, "pg1", "INSERT INTO t VALUES (2)")
    following = ask(lab, "pg1", "SELECT pg_walfile_name(pg_current_wal_lsn())")
    planted = first.with_name(str(following))
    planted.write_text("somebody else's")
    ask(lab, "pg1", "SELECT pg_switch_wal()")
    assert comes(lab, "pg1", "SELECT failed_count > 0 FROM pg_stat_archiver")
    assert planted.read_text() == "somebody else's"
    planted.unlink()
    ask(lab, "pg1", "INSERT INTO t VALUES (3)")
    archived(lab, "pg1")
    assert {entry.stat().st_size for entry in first.parent.iterdir()} == {1 << 20}  # whole ones, and nothing else
    position = ask(lab, "pg1", "SELECT pg_current_wal_lsn()::text")
    lab.start("pg2")
    assert comes(lab, "pg2", f"SELECT pg_last_wal_replay_lsn() >= '{position}'")
    assert ask(lab, "pg2", "SELECT count(*) FROM t") == 3
    assert "restored log file" in (lab.directory / "pg2" / "postgresql.log").read_text()
    lab.wait_streaming("pg2")


def test_settings_survive_a_failover_and_a_rewind(make_lab: MakeLab) -> None:
    lab = make_lab(plan=read_text(SHOP, "shop.toml"))
    before = {node.name: settings(lab, node.name) for node in lab.nodes}
    ask(lab, "pg1", "CREATE TABLE pending ()")
    position = ask(lab, "pg1", "SELECT pg_current_wal_lsn()::text")
    assert comes(lab, "pg2", f"SELECT pg_last_wal_replay_lsn() >= '{position}'")
    assert comes(lab, "pg3", f"SELECT pg_last_wal_receive_lsn() >= '{position}'")
    lab.kill("pg1")
    lab.promote("pg2")
    lab.repoint("pg3", "pg2")  # is not waited for: it asks for more in an hour
    lab.start("pg1")
    with psycopg.connect(lab.dsn("pg1"), autocommit=True) as link:
        link.execute("SET synchronous_commit = local")
        link.execute("CREATE TABLE divergent ()")
    lab.stop("pg1")
    assert lab.rewind("pg1", "pg2").diverged
    lab.start("pg1")
    lab.wait_streaming("pg1")
    assert {node.name: settings(lab, node.name) for node in lab.nodes} == before
    assert confirming(lab, "pg2") == "pg1 quorum, pg4 async"
    ask(lab, "pg2", "CREATE TABLE goes_on ()")
    assert shape_of(lab.plan().nodes) == "pg2(pg1, pg3@1h, pg4)"


def test_a_setting_no_server_knows_is_named(make_lab: MakeLab) -> None:
    plan = LabPlan((NodePlan("pg1", settings={"wrok_mem": "8MB"}),))
    with pytest.raises(LabError, match='pg1 did not start: unrecognized configuration parameter "wrok_mem"'):
        make_lab(plan=plan)


def test_a_major_that_is_not_here_is_named_with_those_that_are(make_lab: MakeLab) -> None:
    with pytest.raises(LabError, match=r"PostgreSQL 97 is not installed, found [0-9, ]*\b18\b.*--pg-bin"):
        make_lab(plan=LabPlan((NodePlan("pg1"),), postgresql=97))
