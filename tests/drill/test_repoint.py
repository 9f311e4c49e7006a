"""Repointing on real servers: survivors after a promotion by hand, one that is ahead of the fork, and the way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgreplterm.drill import undo
from pgreplterm.drill.procedures.repoint import Repoint
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.lab.faults import engine
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.process import wait_until
from tests.conftest import MakeLab
from tests.drill.acting import perform, prepared
from tests.drill.running import ask, slots

DEADLINE = 30.0


def feeds(lab: Lab, node: str) -> object:
    """Who streams from it."""
    names = "string_agg(application_name, ',' ORDER BY application_name)"
    return ask(lab, node, f"SELECT {names} FROM pg_stat_replication WHERE state = 'streaming'")


def test_survivors_follow_the_promoted_node_and_a_node_can_be_moved(make_lab_on: MakeLab, tmp_path: Path) -> None:
    lab = make_lab_on(standbys=3, cascades=2)  # pg5 streams from pg2, pg6 from pg3
    lab.kill("pg1")
    lab.promote("pg2")
    done = perform(Repoint, lab, tmp_path)
    assert [name for name in done.details if name.startswith("repoint")] == ["repoint pg3", "repoint pg4"]
    assert (slots(lab, "pg2"), feeds(lab, "pg2")) == ("pg3,pg4,pg5", "pg3,pg4,pg5")
    assert done.figure("behind_bytes:pg3") == 0, "it had received all that pg2 had"
    ask(lab, "pg2", "CREATE TABLE t AS SELECT 1 AS a")
    assert wait_until(lambda: ask(lab, "pg6", "SELECT to_regclass('t') IS NOT NULL") is True, DEADLINE)

    with prepared(Repoint, lab, tmp_path, node="pg4", upstream="pg3") as moved:
        back = moved.procedure.steps()[1].undo(moved.stage)
        moved.act()
    assert (slots(lab, "pg3"), slots(lab, "pg2")) == ("pg4,pg6", "pg3,pg5"), "its old slot would keep WAL for ever"
    assert back is not None
    undo.run(lab, back)
    undo.run(lab, back)
    assert (slots(lab, "pg3"), feeds(lab, "pg2")) == ("pg6", "pg3,pg4,pg5")


def test_a_survivor_ahead_of_the_fork_is_left_where_it_is(lab: Lab, tmp_path: Path) -> None:
    engine.inject(lab, "cut", "pg2", {}, None, lambda _: None)
    ask(lab, "pg1", "CREATE TABLE t AS SELECT 1 AS a")
    assert wait_until(lambda: ask(lab, "pg3", "SELECT to_regclass('t') IS NOT NULL") is True, DEADLINE)
    lab.kill("pg1")
    lab.promote("pg2")
    with prepared(Repoint, lab, tmp_path) as found:
        assert found.procedure.summary() == "pg3 follows pg2"
        with pytest.raises(
            DrillFailed, match=r"pg3 cannot just follow \((rewind|rebuild)\): it holds .* past the fork"
        ):
            found.procedure.steps()[0].act(found.stage)
    assert lab.state.node("pg3").upstream == "pg1"
    assert slots(lab, "pg2") is None, "nothing was made for it"


def test_what_is_no_upstream_is_refused(shared_lab: Lab, tmp_path: Path) -> None:
    with prepared(Repoint, shared_lab, tmp_path) as nothing_to_do:
        assert nothing_to_do.refused() == "nobody"
    with prepared(Repoint, shared_lab, tmp_path, node="pg2", upstream="pg4") as circle:
        assert "pg4 gets its WAL through pg2" in circle.refused()
    with prepared(Repoint, shared_lab, tmp_path, node="pg1", upstream="pg3") as primary:
        assert "pg1 is the primary" in primary.refused()
    with (
        pytest.raises(PgReplTermError, match=r"expected upstream= a node of lab .* found 'pg9'"),
        prepared(Repoint, shared_lab, tmp_path, node="pg3", upstream="pg9"),
    ):
        pass
