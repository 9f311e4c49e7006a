"""Drill journals folded, plans and reports as text."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pgreplterm.drill.failover import STEPS
from pgreplterm.drill.journal import Journal
from pgreplterm.tui.drills.journal import DrillProgress, StepState, fold, parse_line
from pgreplterm.tui.drills.rows import FAILOVER, plan_rows, report_rows, risk, run_rows
from pgreplterm.tui.drills.runner import DrillRunner
from pgreplterm.tui.glyphs import UNICODE
from pgreplterm.tui.ink import Ink, plain

from .snapshots import START, cluster, gone, link, node, with_node

REPORT: dict[str, Any] = {
    "kind": "failover",
    "timeline_before": 1,
    "timeline_after": 2,
    "fork_lsn": "0/03000148",
    "detection_seconds": 0.101,
    "promotion_seconds": 0.14,
    "downtime_seconds": 0.812,
    "acked": 1204,
    "lost": 0,
    "rejoin": "rewind",
    "rejoin_seconds": 1.25,
}


def folded(*events: Mapping[str, Any]) -> DrillProgress:
    """The progress after those events, a second apart."""
    progress = DrillProgress()
    for second, event in enumerate(events):
        progress = fold(progress, {"t": START + second, **event})
    return progress


def test_the_engines_own_journal_is_understood(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "drill.jsonl")
    journal.planned(STEPS)
    with journal.step("preflight") as step:
        step.observe("one primary: pg1")
        step.detail = "pg1 is primary"
    with pytest.raises(ValueError, match="no"), journal.step("detect"):
        raise ValueError("no standby left")
    journal.write("done", report=REPORT)
    journal.close()
    progress = DrillProgress()
    for line in (tmp_path / "drill.jsonl").read_text().splitlines():
        event = parse_line(line)
        assert event is not None
        progress = fold(progress, event)
    assert [step.name for step in progress.steps] == list(STEPS)
    states = {step.name: step.state for step in progress.steps}
    assert states["preflight"] is StepState.DONE
    assert states["detect"] is StepState.FAILED
    assert states["rejoin"] is StepState.PLANNED
    assert progress.steps[0].detail == "pg1 is primary"
    assert progress.observations == ("one primary: pg1",)
    assert progress.report == REPORT
    assert progress.finished


@pytest.mark.parametrize("line", ["", '{"t": 1, "eve', "[]", '{"t": 1}', "3"])
def test_a_torn_or_foreign_line_is_skipped(line: str) -> None:
    assert parse_line(line) is None


def test_a_running_step_counts_up_and_a_done_one_stands() -> None:
    progress = folded(
        {"event": "planned", "detail": {"steps": ["detect", "promote"]}},
        {"event": "step_started", "step": "detect"},
        {"event": "step_done", "step": "detect", "detail": "0.1 s after the kill"},
        {"event": "step_started", "step": "promote"},
    )
    text = plain(run_rows(progress, UNICODE, START + 5.5, 80))
    assert "running  5.5 s" in text
    assert "✓ detect" in text and "1.00 s" in text and "0.1 s after the kill" in text
    assert "▶ promote" in text and "2.50 s" in text


def test_a_failure_says_what_it_says_in_full() -> None:
    reason = "expected a standby on timeline 1 to promote; found none. " * 3
    text = plain(run_rows(folded({"event": "failed", "detail": reason}), UNICODE, START, 80))
    assert "failed" in text
    assert " ".join(text.split()).count("found none.") == 3


def test_the_report_shows_every_figure_asked_for() -> None:
    text = plain(report_rows(REPORT))
    for figure in (
        "1 -> 2",
        "0/03000148",
        "101 ms",
        "140 ms",
        "812 ms",
        "1,204 acknowledged",
        "0 lost",
        "rewind, 1.25 s",
    ):
        assert figure in text


def test_a_figure_not_measured_is_no_zero() -> None:
    text = plain(report_rows({**REPORT, "downtime_seconds": None, "lost": None, "acked": None}))
    assert "? acknowledged, ? lost" in text
    assert "Downtime       ?" in text


def test_lost_writes_are_critical() -> None:
    inks = {text: ink for line in report_rows({**REPORT, "lost": 3}) for text, ink in line}
    assert inks["3 lost"] is Ink.CRITICAL


def test_the_plan_fits_on_24_rows_with_six_nodes_and_names_what_may_be_lost() -> None:
    nodes = (*cluster().nodes, node("s4"), node("s5"))
    links = tuple(replace(each, gaps=replace(each.gaps, flush=5_000_000)) for each in cluster().links)
    rows = plan_rows(FAILOVER, "demo", replace(cluster(), nodes=nodes, links=links), 80)
    assert len(rows) <= 21  # and three for the question and the field
    text = plain(rows)
    assert "SIGKILL pg1" in text
    assert "lacks 4.8 MB, which would be lost" in " ".join(text.split())


def test_risk_is_unknown_when_positions_are() -> None:
    unknown = replace(link("pg1", "s1", None), gaps=replace(link("pg1", "s1").gaps, flush=None))
    assert "unknown" in risk(replace(cluster(), links=(unknown,)))


def test_the_plan_shows_a_failing_precondition() -> None:
    text = plain(plan_rows(FAILOVER, "demo", with_node(cluster(), gone(node("s2"))), 80))
    assert "!! every node answers: s2 down" in text


async def test_a_process_that_dies_without_a_word_is_a_failed_drill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    script = "import sys; sys.exit('pgreplterm: no such lab')"
    runner = DrillRunner(command=lambda *_: [sys.executable, "-c", script])
    runner.start("failover", "demo")
    seen = [progress async for progress in runner.follow()]
    assert seen[-1].failure == "pgreplterm: no such lab"
    assert not runner.running


async def test_a_journal_is_followed_while_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    script = (
        "import sys, time\n"
        "with open(sys.argv[1], 'w', buffering=1) as f:\n"
        "    for event in ('step_started', 'step_done'):\n"
        '        f.write(\'{"t": 1, "event": "%s", "step": "kill"}\\n\' % event); time.sleep(0.3)\n'
        '    f.write(\'{"t": 2, "event": "done", "report": {"kind": "failover"}}\\n\')\n'
    )
    runner = DrillRunner(command=lambda _kind, _lab, journal: [sys.executable, "-c", script, str(journal)])
    runner.start("failover", "demo")
    states = [progress.steps[0].state async for progress in runner.follow() if progress.steps]
    assert states[0] is StepState.RUNNING
    assert states[-1] is StepState.DONE
    assert runner.progress is not None and runner.progress.report == {"kind": "failover"}
