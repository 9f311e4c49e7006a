"""Nodes join, are copied anew and leave while the lab runs under load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pgreplterm.lab.errors import LabError
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.shape.plan import LabPlan
from pgreplterm.lab.shape.tree import read_shape, shape_of
from tests.conftest import MakeLab
from tests.lab.test_shape_lab import ask, comes


def slots(lab: Lab, node: str) -> object:
    return ask(
        lab, node, "SELECT coalesce(string_agg(slot_name, ',' ORDER BY slot_name), '') FROM pg_replication_slots"
    )


def complaint(lab: Lab, *arguments: object) -> str:
    with pytest.raises(LabError) as caught:
        lab.add_node(*arguments)  # type: ignore[arg-type]
    return str(caught.value)


def replays_the_load(lab: Lab, node: str) -> bool:
    """Whether what the load writes now arrives there."""
    position = ask(lab, lab.plan().primary.name, "SELECT pg_current_wal_lsn()::text")
    return comes(lab, node, f"SELECT pg_last_wal_replay_lsn() > '{position}'")


def test_nodes_come_and_go_under_load(make_lab_on: MakeLab) -> None:
    lab = make_lab_on(plan=LabPlan(read_shape("pg1(pg2)"), settings={"work_mem": "8MB"}))
    lab.start_load(200)
    assert lab.add_node("extra", "pg2", settings={"work_mem": "2MB"}) > 0
    assert replays_the_load(lab, "extra")
    assert ask(lab, "extra", "SHOW work_mem") == "2MB"
    assert lab.add_node("late", "pg1", delay="1h") > 0
    assert ask(lab, "late", "SHOW recovery_min_apply_delay") == "1h"
    assert shape_of(lab.plan().nodes) == "pg1(pg2(extra), late@1h)"
    assert (slots(lab, "pg1"), slots(lab, "pg2")) == ("late,pg2", "extra")
    assert [node.role.value for node in lab.status()] == ["primary", "standby", "cascade", "standby"]

    # A copy of a node that others follow keeps their slots, and a delay is back once it streams.
    (Path(lab.state.node("pg2").data_directory) / "witness").touch()
    assert lab.reclone_node("pg2") > 0
    assert not (Path(lab.state.node("pg2").data_directory) / "witness").exists()
    assert slots(lab, "pg2") == "extra"
    assert replays_the_load(lab, "extra")
    assert lab.reclone_node("late", "pg2") > 0
    assert ask(lab, "late", "SHOW recovery_min_apply_delay") == "1h"
    assert (slots(lab, "pg1"), slots(lab, "pg2")) == ("pg2", "extra,late")

    with pytest.raises(LabError, match="late follows pg2 with a delay and could not go on from a new copy of it"):
        lab.reclone_node("pg2")
    with pytest.raises(LabError, match="pg2 cannot be removed while others follow it: extra, late"):
        lab.remove_node("pg2")
    with pytest.raises(LabError, match="pg1 cannot be removed while others follow it: pg2"):
        lab.remove_node("pg1")
    for name in ("late", "extra"):
        aside = lab.remove_node(name)
        assert (aside / "data" / "PG_VERSION").exists()
    assert (slots(lab, "pg1"), slots(lab, "pg2")) == ("pg2", "")
    assert shape_of(lab.plan().nodes) == "pg1(pg2)"
    assert {edge.name for edge in lab.edges} == {"pg2<-pg1"}
    assert lab.add_node("extra", "pg1") > 0  # the name is free again


def test_an_old_primary_comes_back_as_a_copy(make_lab: MakeLab) -> None:
    lab = make_lab(plan=LabPlan(read_shape("pg1(pg2, pg3)"), synchronous="ANY 1 (*)"))
    with pytest.raises(LabError, match="pg1 runs as a primary: stop or kill it before"):
        lab.reclone_node("pg1", "pg2")
    lab.kill("pg1")
    with pytest.raises(LabError, match="pg1 cannot follow pg2, which gets its WAL from pg1"):
        lab.reclone_node("pg1", "pg2")
    with pytest.raises(LabError, match="pg1 is not running: start it first; it holds the slot of pg3"):
        lab.remove_node("pg3")
    with pytest.raises(LabError, match="no running primary to copy pg3 from"):
        lab.reclone_node("pg3")
    lab.promote("pg2")
    assert lab.reclone_node("pg3") > 0  # its upstream is dead: from the new primary
    with pytest.raises(LabError, match=r"pg3 cannot be removed .*: synchronous = 'ANY 1 \(\*\)' waits for 1 standby"):
        lab.remove_node("pg3")
    assert lab.reclone_node("pg1") > 0
    lab.remove_node("pg3")
    assert shape_of(lab.plan().nodes) == "pg2(pg1)"
    assert slots(lab, "pg2") == "pg1"
    ask(lab, "pg2", "CREATE TABLE goes_on ()")
    with pytest.raises(LabError, match="pg2 cannot be removed while others follow it: pg1"):
        lab.remove_node("pg2")


def test_what_cannot_join_is_refused_before_anything_is_made(shared_lab: Lab) -> None:
    lab = shared_lab
    before = lab.state
    assert "already has a node pg2: choose another name" in complaint(lab, "pg2", "pg1")
    assert "a node's name is 1 to 31 characters" in complaint(lab, "../x", "pg1")
    assert "has no node 'pg9': it has pg1, pg2, pg3, pg4" in complaint(lab, "new", "pg9")
    assert "port cannot be set" in complaint(lab, "new", "pg1", None, {"port": "1"})
    assert "max_connections = 7 of new is less than the 100" in complaint(
        lab, "new", "pg1", None, {"max_connections": "7"}
    )
    assert "such as 30s: found 'soon'" in complaint(lab, "new", "pg1", "soon")
    with pytest.raises(LabError, match="has no node 'pg9'"):
        lab.remove_node("pg9")
    with pytest.raises(LabError, match="has no node 'pg9'"):
        lab.reclone_node("pg2", "pg9")
    assert lab.state == before
    assert not (lab.directory / "new").exists()


def kill_in(lab: Lab, moment: str, call: str) -> None:
    """Have another process call a method of the lab, and kill it there."""
    program = (
        "import os, signal, sys\n"
        "from pgreplterm.lab import build, surgery, membership\n"
        "from pgreplterm.lab.lab import Lab\n"
        "def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)\n"
        "places = {'enrolled': (membership, '_join'), 'copying': (surgery, '_base_backup'),"
        " 'streaming': (build, 'await_streaming')}\n"
        "setattr(*places[sys.argv[2]], die)\n"
        f"Lab.load(sys.argv[1]).{call}\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, lab.name, moment], check=False, capture_output=True)
    assert killed.returncode == -9, killed.stderr.decode()


@pytest.mark.parametrize("moment", ["enrolled", "copying", "streaming"])
def test_an_add_that_was_killed_is_completed_or_undone(make_lab: MakeLab, moment: str) -> None:
    lab = make_lab(standbys=0)
    kill_in(lab, moment, "add_node('pg2', 'pg1', delay='1h')")
    assert [node.name for node in lab.nodes] == ["pg1", "pg2"]
    assert "already has a node pg2" in complaint(lab, "pg2", "pg2")
    assert lab.add_node("pg2", "pg1") > 0
    assert ask(lab, "pg2", "SHOW recovery_min_apply_delay") == "1h"
    assert "already has a node pg2" in complaint(lab, "pg2", "pg1")
    lab.remove_node("pg2")
    assert slots(lab, "pg1") == ""


def test_a_new_copy_that_was_killed_is_completed_and_its_followers_return(make_lab: MakeLab) -> None:
    lab = make_lab(plan=LabPlan(read_shape("pg1(pg2(pg3), pg4@1h)")))
    kill_in(lab, "copying", "reclone_node('pg2')")
    assert not lab.is_running("pg2")
    assert shape_of(lab.plan().nodes) == "pg1(pg2, pg3, pg4@1h)"
    assert lab.reclone_node("pg2") > 0
    assert shape_of(lab.plan().nodes) == "pg1(pg2(pg3), pg4@1h)"
    kill_in(lab, "copying", "reclone_node('pg4')")
    assert lab.reclone_node("pg4") > 0
    assert ask(lab, "pg4", "SHOW recovery_min_apply_delay") == "1h"
    assert {node.state.value for node in lab.status()} == {"running", "streaming"}
