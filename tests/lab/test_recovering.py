"""Point-in-time recovery of a lab: what a fresh node has at a target, and what it must never do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from pgreplterm.lab.backend import Kind
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.recovery_target import at_time, parse_target
from pgreplterm.lab.shape.plan import LabPlan
from pgreplterm.lab.shape.tree import read_shape
from tests.conftest import MakeLab, _maker
from tests.wal.servers import require_bin


def ask(lab: Lab, node: str, statement: str) -> object:
    with psycopg.connect(lab.dsn(node), autocommit=True) as link:
        cursor = link.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def archived(make: MakeLab, **spec: object) -> Lab:
    """pg1 and pg2 with an archive, a table, and a base backup of pg1 called first."""
    lab = make(plan=LabPlan(read_shape("pg1(pg2)"), archive=True, segment_size=1), **spec)
    ask(lab, "pg1", "CREATE TABLE t AS SELECT n FROM generate_series(1, 100) n")
    lab.take_base_backup("first", "pg1")
    return lab


@pytest.fixture(scope="module")
def lab(lab_root: Path) -> Iterator[Lab]:
    """One for the module; the tests take away what they recover."""
    for make in _maker():
        yield archived(make)


def pause() -> float:
    """An instant that no commit has: those before and those after are some milliseconds away."""
    time.sleep(0.02)
    at = time.time()
    time.sleep(0.02)
    return at


def test_a_bad_delete_is_not_there_at_the_moment_before_it(make_lab_on: MakeLab, backend: Kind) -> None:
    lab = archived(make_lab_on)
    ask(lab, "pg1", "INSERT INTO t SELECT n FROM generate_series(101, 150) n")
    before = pause()
    ask(lab, "pg1", "DELETE FROM t WHERE n > 20")
    ask(lab, "pg1", "INSERT INTO t VALUES (1000)")
    done = lab.recover("rescue", "first", at_time(before))
    assert ask(lab, "rescue", "SELECT array_agg(n ORDER BY n) FROM t") == list(range(1, 151))
    assert ask(lab, "rescue", "SELECT pg_is_in_recovery() AND pg_is_wal_replay_paused()") is True
    assert (done.paused, done.timeline) == (True, 1)
    assert done.last_commit_at is not None
    assert done.last_commit_at <= before
    assert "before commit of transaction" in done.stopped
    assert done.segments > 0
    assert done.copy_seconds > 0
    assert done.recovery_seconds > 0
    nothing = "SELECT string_agg(setting, '') FROM pg_settings WHERE name IN ('primary_conninfo', 'primary_slot_name')"
    assert not ask(lab, "rescue", nothing)
    assert ask(lab, "rescue", "SHOW archive_mode") == "off"
    assert ask(lab, "rescue", "SHOW cluster_name") == "rescue"
    assert {node.name for node in lab.nodes} == {"pg1", "pg2"}
    assert [status.state.value for status in lab.status()] == ["running", "streaming"]
    with pytest.raises(LabError, match="has a recovered node rescue: choose another name"):
        lab.add_node("rescue", "pg1")
    assert lab.add_node("pg3", "pg1") > 0  # with an address of its own
    aside = lab.remove_recovered("rescue")
    assert (aside / "data" / "PG_VERSION").exists()
    assert lab.recovered == ()


@pytest.mark.parametrize("major", [15, 18])
def test_one_that_is_promoted_has_a_line_of_its_own_and_archives_nothing(make_lab: MakeLab, major: int) -> None:
    lab = archived(make_lab, pg_bin=require_bin(major))
    ask(lab, "pg1", "SELECT pg_create_restore_point('before_the_change')")
    ask(lab, "pg1", "INSERT INTO t VALUES (1000)")
    done = lab.recover("rescue", "first", parse_target("before_the_change"), promote=True)
    assert (done.paused, done.timeline) == (False, 2)
    ask(lab, "rescue", "INSERT INTO t VALUES (2000)")
    ask(lab, "rescue", "SELECT pg_switch_wal()")
    assert ask(lab, "rescue", "SELECT string_agg(n::text, ',') FROM t WHERE n > 100") == "2000"
    assert not list((lab.directory / "archive").glob("00000002*"))
    pids = [each.process.pid for each in lab.recovered if each.process is not None]
    lab.down()  # while it runs
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)


def test_an_lsn_stops_before_what_begins_there(lab: Lab) -> None:
    ask(lab, "pg1", "INSERT INTO t VALUES (2000)")
    target = str(ask(lab, "pg1", "SELECT pg_current_wal_lsn()"))
    ask(lab, "pg1", "DELETE FROM t")
    lab.recover("bylsn", "first", parse_target(target))
    assert ask(lab, "bylsn", "SELECT max(n) FROM t") == 2000
    lab.remove_recovered("bylsn")


def test_an_idle_gap_up_to_now_is_reached(lab: Lab) -> None:
    ask(lab, "pg1", "INSERT INTO t VALUES (3000)")
    lab.recover("now", "first", at_time(pause()))
    assert ask(lab, "now", "SELECT max(n) FROM t") == 3000
    lab.remove_recovered("now")


def test_what_cannot_be_reached_is_refused_in_one_sentence_and_leaves_nothing(lab: Lab) -> None:
    (backup,) = lab.base_backups
    folders = sorted(path.name for path in lab.directory.iterdir() if not path.name.startswith("recovered."))

    def why(target: str, name: str = "never", of: str = "first") -> str:
        with pytest.raises(LabError) as caught:
            lab.recover(name, of, parse_target(target))
        assert lab.recovered == ()
        return str(caught.value)

    assert "is in the future" in why("2126-01-01 00:00:00+00")
    assert "is not after the end of the base backup first" in why("2006-01-01 00:00:00Z")
    assert f"is before {backup.end_lsn}" in why("0/100000")
    assert "has no time zone" in why("2026-11-21 20:00:00")
    assert "expected a time with its zone" in why("last tuesday!")
    assert "has no base backup 'other': it has first" in why("9/0", of="other")
    assert "has a node 'pg2' already" in why("9/0", name="pg2")
    assert why("no_such_point") == (
        "the archive ends before restore point 'no_such_point': no commit or restore point there is as late as that; "
        "name an earlier target"
    )
    assert sorted(path.name for path in lab.directory.iterdir() if not path.name.startswith("recovered.")) == folders


def test_a_target_on_the_line_after_a_failover_is_reached_from_a_backup_before_it(lab: Lab) -> None:
    lab.kill("pg1")
    lab.promote("pg2")
    ask(lab, "pg2", "INSERT INTO t VALUES (7000)")
    at = pause()
    ask(lab, "pg2", "DELETE FROM t")
    done = lab.recover("after", "first", at_time(at))
    assert done.timeline == 2
    assert ask(lab, "after", "SELECT max(n) FROM t") == 7000
    lab.remove_recovered("after")
    lab.kill("pg2")
    with pytest.raises(LabError, match="the archive ends before 20"):  # nobody is left to write a commit past it
        lab.recover("late", "first", at_time(time.time()))
    assert lab.recovered == ()


def test_a_lab_without_an_archive_says_so(make_lab: MakeLab) -> None:
    lab = make_lab(standbys=0, segment_size=1)
    lab.take_base_backup("alone", "pg1")
    with pytest.raises(LabError, match="has a backup 'alone' already"):
        lab.take_base_backup("alone", "pg1")
    with pytest.raises(LabError, match=r"has no archive to recover from: build one with 'archive = true'"):
        lab.recover("never", "alone", parse_target("9/0"))
