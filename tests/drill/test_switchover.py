"""The planned switchover on real clusters: under load, with rules, there and back, refused, failed and aborted."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psycopg
import pytest

from pgreplterm.drill import undo
from pgreplterm.drill.report.model import Outcome
from pgreplterm.drill.succession import rule_after
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.lab.faults import engine
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.process import wait_until
from pgreplterm.lab.server import read_lock_file
from pgreplterm.lab.shape.plan import LabPlan
from pgreplterm.lab.shape.tree import read_shape
from tests.conftest import MakeLab
from tests.drill.running import Drilled, Event, ask, assert_led_by, slots, starts
from tests.wal.servers import require_bin

RULE = "SHOW synchronous_standby_names"
HASTY = LabPlan(read_shape("pg1(pg2, pg3)"), synchronous="ANY 1 (pg2, pg3)", settings={"wal_sender_timeout": "1s"})
"""A walsender gives a silent standby up after a second, so a shutdown does not wait long for it."""


def assert_nothing_lost(drill: Drilled) -> None:
    assert drill.report is not None
    assert drill.report.outcome is Outcome.PASSED, drill.report.reason
    assert (drill.figure("lost"), drill.figure("ids_duplicate"), drill.figure("ids_unexpected")) == (0, 0, 0)
    assert drill.number("acknowledged") >= 200, "25 of each of 4 clients, on each side"
    assert drill.figure("fork_lsn") == drill.figure("shutdown_lsn") is not None
    phases = sum(drill.number(f"{phase}_seconds") for phase in ("stop", "wait", "promotion"))
    assert phases < drill.number("nobody_served_seconds") <= drill.number("downtime_seconds")
    assert drill.number("downtime_min_seconds") <= drill.number("downtime_median_seconds")
    gaps = [
        drill.number(f"longest_gap_seconds:{each.key[17:]}") for each in drill.report.figures if _is_of_client(each.key)
    ]
    assert len(gaps) == 4
    assert max(gaps) >= drill.number("nobody_served_seconds")


def _is_of_client(key: str) -> bool:
    return key.startswith("downtime_seconds:")


def test_under_load_with_a_rule_and_a_cascade_nothing_is_lost(make_lab_on: MakeLab, tmp_path: Path) -> None:
    plan = LabPlan(read_shape("pg1(pg2(pg4), pg3)"), synchronous="FIRST 2 (pg2, pg3)")
    lab = make_lab_on(plan=plan)
    lab.start_load(100)
    there = Drilled(lab, "switchover", tmp_path / "there")
    there.run()
    assert_nothing_lost(there)
    assert_led_by(lab, "pg2", 2)
    assert (there.figure("timeline_before"), there.figure("timeline_after")) == (1, 2)
    assert ask(lab, "pg2", RULE) == lab.state.synchronous == "FIRST 2 (pg1, pg3)", "pg2 could not wait for itself"
    assert (slots(lab, "pg1"), slots(lab, "pg2")) == (None, "pg1,pg3,pg4"), "pg1 would keep WAL for nobody"

    back = Drilled(lab, "switchover", tmp_path / "back", candidate="pg1")
    back.run()
    assert_nothing_lost(back)
    assert_led_by(lab, "pg1", 3)
    assert lab.state.synchronous == "FIRST 2 (pg2, pg3)"


def test_on_15_with_a_rule_that_alter_system_set(make_lab: MakeLab, tmp_path: Path) -> None:
    lab = make_lab(standbys=2, pg_bin=require_bin(15))
    ask(lab, "pg1", "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (pg3)'")
    ask(lab, "pg1", "SELECT pg_reload_conf()")
    drill = Drilled(lab, "switchover", tmp_path / "run")
    report = drill.run()
    assert_nothing_lost(drill)
    assert report.summary.startswith("pg3 took over from pg1"), "the synchronous one first"
    assert_led_by(lab, "pg3", 2)
    assert ask(lab, "pg3", RULE) == "ANY 1 (pg1)"


def test_a_transaction_that_does_not_end_is_ended(lab: Lab, tmp_path: Path) -> None:
    with psycopg.connect(lab.dsn("pg1")) as held:
        held.execute("CREATE TABLE held AS SELECT 1 AS a")
        drill = Drilled(lab, "switchover", tmp_path / "run")
        drill.run()
        with pytest.raises(psycopg.OperationalError):
            held.execute("SELECT 1")
    assert_nothing_lost(drill)
    details = {event["step"]: event["detail"] for event in drill.events if event["event"] == "step_done"}
    assert details["stop clients"].endswith("1 had to be ended")
    assert ask(lab, "pg2", "SELECT to_regclass('held') IS NULL") is True


def test_what_cannot_be_done_is_refused_and_nothing_is_done(shared_lab: Lab, tmp_path: Path) -> None:
    for wanted in ("pg1", "pg4"):
        with pytest.raises(PgReplTermError, match=r"switchover is refused: .*\bcandidate.*Nothing was done"):
            Drilled(shared_lab, "switchover", tmp_path / wanted, candidate=wanted).run()
    with pytest.raises(PgReplTermError, match=r"expected a node of lab .* \(pg1, pg2, pg3, pg4\), found 'pg9'"):
        Drilled(shared_lab, "switchover", tmp_path / "pg9", candidate="pg9").run()
    for text in ("soon", "0", "nan"):
        with pytest.raises(PgReplTermError, match="expected within=SECONDS"):
            Drilled(shared_lab, "switchover", tmp_path / text, within=text).run()
    assert_led_by(shared_lab, "pg1", 1)
    assert shared_lab.state.prober is None


def test_when_the_last_record_never_arrives_the_old_primary_is_back(make_lab_on: MakeLab, tmp_path: Path) -> None:
    """The link is cut in the worst moment: clients are stopped, and the shutdown checkpoint is not written yet."""
    lab = make_lab_on(plan=HASTY)

    def cut(event: Event) -> None:
        if starts(event, "stop primary"):
            engine.inject(lab, "cut", "pg2", {}, None, lambda _: None)

    drill = Drilled(lab, "switchover", tmp_path / "run", candidate="pg2", within="0.5")
    with pytest.raises(DrillFailed, match=r"expected pg2 to have all WAL up to .* within 0\.5 s; it has flushed up to"):
        drill.run(cut)
    assert drill.events[-1]["event"] == "failed"
    assert drill.events[-1]["healed"] is True
    assert not [event for event in drill.events if event["event"] == "promoting"]
    assert_led_by(lab, "pg1", 1)
    assert (lab.state.prober, slots(lab, "pg1")) == (None, "pg2,pg3")


def test_a_frozen_candidate_is_thawed_and_the_old_primary_is_back(make_lab: MakeLab, tmp_path: Path) -> None:
    lab = make_lab(plan=HASTY)

    def freeze(event: Event) -> None:
        if starts(event, "stop primary"):
            lab.freeze("pg2")

    drill = Drilled(lab, "switchover", tmp_path / "run", candidate="pg2")
    with pytest.raises(DrillFailed, match="pg2 is frozen"):
        drill.run(freeze)
    assert_led_by(lab, "pg1", 1)


def test_an_abort_goes_back_before_the_promotion_and_forward_after_it(make_lab: MakeLab, tmp_path: Path) -> None:
    lab = make_lab(plan=LabPlan(read_shape("pg1(pg2, pg3)"), synchronous="ANY 1 (pg2)"))
    for step in ("stop primary", "candidate has it all", "promote"):
        with pytest.raises(PgReplTermError, match=f"aborted before {step}"):
            Drilled(lab, "switchover", tmp_path / step).run(abort_before=step)
        assert_led_by(lab, "pg1", 1)
        assert ask(lab, "pg1", RULE) == ask(lab, "pg2", RULE) == "ANY 1 (pg2)", step
    with pytest.raises(PgReplTermError, match="aborted before repoint"):
        Drilled(lab, "switchover", tmp_path / "repoint").run(abort_before="repoint")
    assert_led_by(lab, "pg2", 2)
    assert ask(lab, "pg2", RULE) == "ANY 1 (pg1)"
    assert lab.state.prober is None


def test_a_shutdown_that_goes_on_without_us_is_awaited_before_the_node_is_started(make_lab: MakeLab) -> None:
    """Whoever asked for it was killed; the walsender waits for a standby that says nothing."""
    lab = make_lab(plan=HASTY)
    lab.freeze("pg2")
    os.kill(lab.pids("pg1")[0], signal.SIGINT)
    assert wait_until(lambda: _status(lab, "pg1") == "stopping", 10)
    assert lab.is_running("pg1")
    undo.run(lab, undo.start_node("pg1"))
    undo.run(lab, undo.start_node("pg1"))
    assert _status(lab, "pg1") == "ready"
    lab.thaw("pg2")


def _status(lab: Lab, node: str) -> str | None:
    lock = read_lock_file(Path(lab.state.node(node).data_directory))
    return None if lock is None else lock.status


@pytest.mark.parametrize(
    ("rule", "after"),
    [
        ("", ""),
        ("*", "*"),
        ("pg2", "FIRST 1 (pg1)"),
        ("ANY 1 (pg2, pg3)", "ANY 1 (pg1, pg3)"),
        ("FIRST 2 (PG3, PG2)", "FIRST 2 (PG3, pg1)"),
        ("ANY 1 (pg3, pg4)", "ANY 1 (pg3, pg4)"),
        ("ANY 2 (pg1, pg2, pg3)", "ANY 2 (pg1, pg2, pg3)"),
        ("ANY 0 (pg2)", "ANY 0 (pg2)"),
    ],
)
def test_the_old_primary_takes_the_place_of_the_new_one_in_the_rule(rule: str, after: str) -> None:
    assert rule_after(rule, "pg1", "pg2") == after
