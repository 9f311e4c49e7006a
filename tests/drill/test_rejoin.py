"""Rejoin on real clusters: follow, rewind, rebuild, and a pg_rewind that does nothing and says that all is well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgreplterm.drill.procedures.rejoin import Rejoin
from pgreplterm.drill.rejoining import data_directory
from pgreplterm.errors import DrillFailed
from pgreplterm.lab import sql
from pgreplterm.lab.faults import mending, settings
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.process import wait_until
from tests.conftest import MakeLab
from tests.drill.acting import perform, prepared
from tests.drill.running import Drilled, ask
from tests.faults.harness import all_caught_up
from tests.wal.servers import require_bin

EDGES = (15, 18)
NOTHING = """#!/bin/sh
echo 'pg_rewind: source and target cluster are on the same timeline' >&2
echo 'pg_rewind: no rewind required' >&2
"""
LIE = """#!/bin/sh
echo 'pg_rewind: servers diverged at WAL location 0/3000000 on timeline 1' >&2
echo 'pg_rewind: Done!' >&2
"""


def identity(lab: Lab, node: str) -> tuple[object, ...]:
    """What a node must keep through a rewind or a copy, as it says itself."""
    names = ("port", "cluster_name", "work_mem", "archive_mode")
    return tuple(ask(lab, node, f"SHOW {name}") for name in names)


def fail_over(lab: Lab, diverge: bool) -> tuple[object, ...]:
    """pg1 is dead and pg2 primary; whether pg1 holds a commit that nobody else has. What pg1 is, by its own words."""
    ask(lab, "pg1", "CREATE TABLE t (word text)")
    ask(lab, "pg1", "ALTER SYSTEM SET work_mem = '7MB'")
    ask(lab, "pg1", "ALTER SYSTEM SET archive_mode = 'always'")
    ask(lab, "pg1", "ALTER SYSTEM SET archive_command = 'true'")
    lab.stop("pg1")
    lab.start("pg1")
    was = identity(lab, "pg1")
    assert wait_until(lambda: all_caught_up(lab), 20)  # or pg3 may have what pg2 never gets, and be apart as well
    lab.crash("pg1") if diverge else lab.stop("pg1")  # a clean stop sends everything, its checkpoint included
    lab.promote("pg2")
    lab.repoint("pg3", "pg2")
    if diverge:
        lab.start("pg1")
        ask(lab, "pg1", "INSERT INTO t VALUES ('divergent')")
        lab.crash("pg1")
    ask(lab, "pg2", "INSERT INTO t VALUES ('kept')")
    return was


def assert_back(lab: Lab, was: tuple[object, ...]) -> None:
    """pg1 follows pg2 as itself, with pg2's rows and nobody's else."""
    assert lab.state.node("pg1").upstream == "pg2"
    assert identity(lab, "pg1") == was
    slot = "SELECT string_agg(application_name || '/' || slot_name, ',' ORDER BY application_name)"
    slot += " FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid"
    assert ask(lab, "pg2", slot) == "pg1/pg1,pg3/pg3"
    assert ask(lab, "pg1", "SELECT count(*) FROM pg_replication_slots") == 0
    assert ask(lab, "pg1", "SELECT string_agg(word, ',') FROM t") == "kept"
    assert ask(lab, "pg1", "SELECT received_tli FROM pg_stat_wal_receiver") == 2
    assert not mending.is_unfinished(lab, "pg1")


@pytest.fixture
def fake(lab_root: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """All of PostgreSQL's programs of a major, but a pg_rewind that is a script."""
    major, script = request.param
    folder = lab_root.with_name(f"{lab_root.name}-bin")
    folder.mkdir(mode=0o755)
    for program in require_bin(major).iterdir():
        if program.name != "pg_rewind":
            (folder / program.name).symlink_to(program)
    (folder / "pg_rewind").write_text(script)
    (folder / "pg_rewind").chmod(0o755)
    yield folder
    for program in folder.iterdir():
        program.unlink()
    folder.rmdir()


@pytest.mark.parametrize("major", EDGES)
def test_a_diverged_primary_is_rewound_right_after_the_promotion(make_lab: MakeLab, tmp_path: Path, major: int) -> None:
    lab = make_lab(standbys=2, segment_size=1, pg_bin=require_bin(major))
    was = fail_over(lab, diverge=True)
    done = perform(Rejoin, lab, tmp_path)
    assert (done.figure("verdict"), done.figure("rejoin")) == ("rewind", "pg_rewind")
    assert "diverged at" in str(next(each for each in done.observed if each.startswith("pg_rewind: ")))
    assert_back(lab, was)
    beyond, seconds = done.figure("divergent_bytes"), done.figure("rejoin_seconds")
    assert isinstance(beyond, int)
    assert isinstance(seconds, float)
    assert beyond > 0
    assert 0 < float(str(done.figure("replace_seconds"))) < seconds
    kept = json.loads(Path(str(done.figure("kept"))).read_text())
    assert kept["old"] == "pg1"
    assert "public.t" in json.dumps(kept["lost"])
    assert kept["fork_lsn"] == done.figure("fork_lsn")
    with prepared(Rejoin, lab, tmp_path) as again:
        assert again.refused() == "every node follows the primary"
    with prepared(Rejoin, lab, tmp_path, node="pg3") as again:
        assert again.refused() == "pg3 streams already"


@pytest.mark.parametrize("fake", [(15, NOTHING), (18, LIE)], indirect=True, ids=["15-nothing", "18-lie"])
def test_a_rewind_that_did_nothing_is_never_believed(make_lab: MakeLab, tmp_path: Path, fake: Path) -> None:
    lab = make_lab(standbys=2, segment_size=1, pg_bin=fake)
    was = fail_over(lab, diverge=True)
    done = perform(Rejoin, lab, tmp_path)
    assert (done.figure("verdict"), done.figure("rejoin")) == ("rewind", "rebuild")
    assert any("expected pg_rewind to leave pg1 recovering to timeline 2; it said" in each for each in done.observed)
    assert_back(lab, was)


@pytest.mark.parametrize("major", EDGES)
def test_a_primary_that_ended_at_the_fork_follows(make_lab: MakeLab, tmp_path: Path, major: int) -> None:
    lab = make_lab(standbys=2, segment_size=1, pg_bin=require_bin(major))
    was = fail_over(lab, diverge=False)
    done = perform(Rejoin, lab, tmp_path)
    assert (done.figure("verdict"), done.figure("rejoin"), done.figure("kept")) == ("follow", "follow", "")
    assert done.figure("divergent_bytes") == 0
    assert_back(lab, was)


@pytest.mark.parametrize("major", EDGES)
def test_one_whose_wal_does_not_reach_back_is_rebuilt(make_lab: MakeLab, tmp_path: Path, major: int) -> None:
    lab = make_lab(standbys=2, segment_size=1, pg_bin=require_bin(major))
    was = fail_over(lab, diverge=True)
    lab.start("pg1")
    ask(lab, "pg1", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
    ask(lab, "pg1", "ALTER SYSTEM SET wal_keep_size = 0")
    ask(lab, "pg1", "SELECT pg_reload_conf()")
    for _ in range(40):
        ask(lab, "pg1", "SELECT pg_logical_emit_message(false, 'test', repeat('x', 10)), pg_switch_wal()")
    oldest = "SELECT min(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'"

    def gone() -> bool:
        lab.checkpoint("pg1")
        return str(ask(lab, "pg1", oldest)) > "000000010000000000000010"

    assert wait_until(gone, 10)  # the archiver has to have seen them
    lab.crash("pg1")
    done = perform(Rejoin, lab, tmp_path)
    assert (done.figure("verdict"), done.figure("rejoin")) == ("rebuild", "rebuild")
    assert settings.held(lab, "pg1")["wal_keep_size"] == "0"
    assert_back(lab, was)


def test_a_second_primary_and_who_follows_it_come_back(make_lab: MakeLab, tmp_path: Path) -> None:
    lab = make_lab(standbys=1, cascades=1, segment_size=1)
    ask(lab, "pg1", "CREATE TABLE t (word text)")
    with lab.connection("pg2") as link:
        sql.promote(link, "pg2", 30)  # beside pg1: nobody is told
    ask(lab, "pg2", "INSERT INTO t VALUES ('rogue')")
    ask(lab, "pg1", "INSERT INTO t VALUES ('rightful')")
    with prepared(Rejoin, lab, tmp_path) as open_choice:
        assert "both accept writes" in open_choice.refused()
    done = perform(Rejoin, lab, tmp_path, node="pg2", source="pg1")
    assert done.figure("rejoin") == "pg_rewind"
    for node in ("pg2", "pg3"):
        lab.wait_streaming(node)
        assert ask(lab, node, "SELECT string_agg(word, ',') FROM t") == "rightful"


def test_the_second_primary_may_be_the_one_to_keep(make_lab: MakeLab, tmp_path: Path) -> None:
    lab = make_lab(standbys=2, segment_size=1)
    ask(lab, "pg1", "CREATE TABLE t (word text)")
    lab.wait_streaming("pg2")
    with lab.connection("pg2") as link:
        sql.promote(link, "pg2", 30)
    ask(lab, "pg2", "INSERT INTO t VALUES ('kept')")
    ask(lab, "pg1", "INSERT INTO t VALUES ('lost')")
    done = perform(Rejoin, lab, tmp_path, node="pg1", source="pg2")
    assert done.figure("rejoin") == "pg_rewind"
    assert [node.upstream for node in lab.nodes] == ["pg2", None, "pg1"]
    for node in ("pg1", "pg3"):
        lab.wait_streaming(node)
        assert ask(lab, node, "SELECT string_agg(word, ',') FROM t") == "kept"


def test_an_end_in_its_midst_goes_forward_and_never_starts_the_node_as_it_was(
    make_lab: MakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make_lab(standbys=2, segment_size=1)
    was = fail_over(lab, diverge=True)
    lab.start("pg1")  # a second primary, which the first step stops

    def killed(*_: object) -> None:
        assert mending.is_unfinished(lab, "pg1")
        raise KeyboardInterrupt

    drill = Drilled(lab, "rejoin", tmp_path, node="pg1")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("pgreplterm.drill.bringing_back._prove", killed)
        drill.run()
    undone = [event["undo"]["sentence"] for event in drill.events if event["event"] == "undo_started"]
    assert "start pg1" not in undone
    assert [event for event in drill.events if "its files were being replaced" in str(event.get("detail"))]
    assert ask(lab, "pg1", "SELECT string_agg(word, ',') FROM t") == "kept"
    assert ask(lab, "pg1", "SELECT pg_is_in_recovery()") is True
    assert was[0] == ask(lab, "pg1", "SHOW port")


def test_a_node_that_is_another_clusters_is_left_alone(make_lab: MakeLab, tmp_path: Path) -> None:
    lab, other = make_lab(standbys=1, segment_size=1), make_lab(standbys=0, segment_size=1)
    lab.stop("pg2")
    other.stop("pg1")
    theirs, ours = data_directory(other, "pg1"), data_directory(lab, "pg2")
    aside = ours.with_name("data.ours")
    ours.rename(aside)
    theirs.rename(ours)
    try:
        with prepared(Rejoin, lab, tmp_path, node="pg2") as found:
            assert "belongs to another cluster" in found.refused()
            with pytest.raises(DrillFailed, match="expected a way to bring pg2 back; foreign"):
                found.act()
    finally:
        ours.rename(theirs)
        aside.rename(ours)
