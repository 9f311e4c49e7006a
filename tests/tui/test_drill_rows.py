"""Plans, runs, results and lists as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.procedure import Option
from pgreplterm.drill.progress import fold
from pgreplterm.drill.progress_model import Progress
from pgreplterm.drill.report.compare import compare
from pgreplterm.drill.report.model import Expectation, Outcome, Report, StepTime
from pgreplterm.drill.request import Kind
from pgreplterm.drill.runs import Run
from pgreplterm.lab.journal import Attempt
from pgreplterm.lab.journal import Outcome as Told
from pgreplterm.tui.drills.chooser_rows import drill_row, ending, scenario_row
from pgreplterm.tui.drills.entries import Entry
from pgreplterm.tui.drills.past import PastRun
from pgreplterm.tui.drills.plan_rows import drill_rows, scenario_rows
from pgreplterm.tui.drills.planning import Plan, arguments_of, risk, shape, typed
from pgreplterm.tui.drills.probe_strip import ProbeStrip, legend
from pgreplterm.tui.drills.result_rows import result_rows
from pgreplterm.tui.drills.run_rows import run_rows
from pgreplterm.tui.glyphs import ASCII, UNICODE
from pgreplterm.tui.ink import Ink, Row, plain, width_of

from .snapshots import START, cluster, link

FAILOVER = Entry(
    Kind.DRILL,
    "failover",
    "failover",
    "kill the primary, promote the best standby",
    "writes fail until the promotion",
    "2-5 s",
    "until the promotion",
    {"candidate": Option("the standby to promote"), "failure": Option("how the primary fails", "kill")},
)
SCENARIO = Entry(
    Kind.SCENARIO,
    "network-interruption",
    "05 network-interruption",
    "Network interruption",
    duration="1 min",
    level="intermediate",
    teaches="Asynchronous replication survives; the disk pays.",
    summary="A standby is cut off while writes go on.",
    mysql="In MySQL the relay log would stop growing.",
    backends=("local", "docker"),
    steps=(("cut pg2 off", "Its slot keeps WAL."), ("restore", "")),
)
STEPS = [
    {"name": "kill primary", "will": "SIGKILL pg1", "why": "The failure itself.", "part": ""},
    {"name": "promote", "will": "promote the furthest", "why": "It loses least.", "part": ""},
]
CHECKS = (
    Check("one primary", Verdict.OK, "pg1"),
    Check("lag", Verdict.WARNING, "s2 is 20 MB behind", "wait until it has caught up"),
    Check("faults", Verdict.REFUSAL, "cut at s2", "pgreplterm fault heal"),
)


def after(*events: Mapping[str, Any], stepwise: bool = False) -> Progress:
    """The progress of a run after those events, a second apart."""
    progress = Progress(request={"name": "failover", "lab": "demo", "stepwise": stepwise})
    for second, event in enumerate(events):
        progress = fold(progress, {"t": START + second, **event})
    return progress


def run_text(progress: Progress, seconds: float, width: int = 80, height: int = 20) -> str:
    """The run page's rows as text."""
    return plain(run_rows(progress, "failover on demo", UNICODE, START + seconds, width, height, cluster(), None))


def test_a_running_step_counts_up_and_a_done_one_stands() -> None:
    progress = after(
        {"event": "planned", "steps": STEPS},
        {"event": "step_started", "step": "kill primary", "part": ""},
        {"event": "step_done", "step": "kill primary", "part": "", "detail": "pg1 is dead"},
        {"event": "step_started", "step": "promote", "part": ""},
    )
    text = run_text(progress, 5.5)
    assert "▶ running  5.5 s  1 of 2 steps" in text
    assert "✓ kill primary" in text and "1.00 s" in text and "pg1 is dead" in text
    assert "▶ promote" in text and "2.50 s" in text and "promote the furthest" in text


def test_a_pause_says_before_what_and_why_and_which_keys_go_on() -> None:
    progress = after(
        {"event": "planned", "steps": STEPS},
        {"event": "paused", "before": "promote", "why": "It loses least."},
        stepwise=True,
    )
    text = run_text(progress, 2.0)
    assert "! paused" in text and "step by step" in text
    assert "Paused before promote: promote the furthest" in text
    assert "It loses least." in text
    assert "Enter next step   Space go on   X abort" in text


def test_in_step_by_step_mode_the_step_under_way_is_explained_too() -> None:
    events = ({"event": "planned", "steps": STEPS}, {"event": "step_started", "step": "promote", "part": ""})
    assert "It loses least." in run_text(after(*events, stepwise=True), 2.0)
    assert "It loses least." not in run_text(after(*events), 2.0)


def test_a_question_shows_its_answers_with_their_numbers() -> None:
    asked = {"event": "asked", "question": "Which one lost writes?", "answers": ["pg1", "pg2"]}
    text = run_text(after(asked), 1.0)
    assert "Which one lost writes?" in text and " 1 pg1" in text and " 2 pg2" in text


def test_a_failure_is_told_in_full_with_what_was_taken_back() -> None:
    undo = {"sentence": "start pg1"}
    reason = "expected a standby on timeline 1 to promote; found none. " * 3
    events = (
        {"event": "planned", "steps": STEPS},
        {"event": "step_started", "step": "kill primary", "part": ""},
        {"event": "healing", "reason": "no standby"},
        {"event": "undo_started", "undo": undo},
        {"event": "undo_done", "undo": undo, "detail": "it runs"},
    )
    assert "Taking back what was done: no standby" in run_text(after(*events), 4.0)
    text = run_text(after(*events, {"event": "failed", "detail": reason, "healed": True}), 9.0)
    assert " ".join(text.split()).count("found none.") == 3
    assert "undo done    start pg1  it runs" in text and "the cluster is whole" in text
    text = run_text(after(*events, {"event": "failed", "detail": "no", "healed": False}), 9.0)
    assert "The cluster is not whole. X tries" in text


def test_a_refused_run_did_nothing() -> None:
    text = run_text(after({"event": "failed", "detail": "a drill is already running", "healed": True}), 1.0)
    assert "Nothing was done." in text and "taken back" not in text


def test_the_run_page_keeps_to_its_height_with_the_current_step_in_sight() -> None:
    steps = [{"name": f"step {number}", "will": "", "why": "", "part": ""} for number in range(30)]
    events: list[dict[str, Any]] = [{"event": "planned", "steps": steps}]
    for number in range(20):
        events += [{"event": word, "step": f"step {number}", "part": ""} for word in ("step_started", "step_done")]
    progress = after(*events, {"event": "step_started", "step": "step 20", "part": ""})
    strip = ProbeStrip(START)
    strip.add(attempt(number * 0.1) for number in range(300))
    rows = run_rows(progress, "failover on demo", UNICODE, START + 41, 80, 20, cluster(), strip)
    assert len(rows) == 20
    text = plain(rows)
    assert "▶ step 20" in text and "s2" in text and "▪" in text
    assert "before" in text and "more" in text


def attempt(at: float, told: Told = Told.OK, took: float = 0.002) -> Attempt:
    """One write that began so many seconds after the start."""
    return Attempt(1, 50.0 + at, START + at, 50.0 + at + took, told, 5432, "")


def strip_text(*attempts: Attempt, most: int = 9) -> list[str]:
    """The cells without the labels."""
    strip = ProbeStrip(START)
    strip.add(attempts)
    return plain(strip.rows(80, most, ASCII)).splitlines()


def test_a_cell_is_the_worst_that_was_told_in_it_and_nothing_is_a_blank() -> None:
    (line,) = strip_text(
        attempt(0.01),
        attempt(0.11),
        attempt(0.15, Told.ERROR),
        attempt(0.31, took=0.25),
        attempt(0.71, Told.UNKNOWN),
        attempt(0.81),
    )
    assert line.endswith("=x ~~~ ?=")


def test_the_strip_fills_from_left_to_right_so_that_a_tick_changes_the_end_only() -> None:
    first = strip_text(*(attempt(number / 10 + 0.01) for number in range(30)))
    second = strip_text(*(attempt(number / 10 + 0.01) for number in range(33)))
    assert second[0].startswith(first[0]) and second[0].count("=") == 33
    both = strip_text(*(attempt(number / 10 + 0.01) for number in range(65)))
    assert [line.split()[0] for line in both] == ["+0", "+6"]
    assert strip_text(*(attempt(number / 10 + 0.01) for number in range(65)), most=1) == both[1:]


def test_the_legend_says_every_glyph_in_ascii_too() -> None:
    text = plain([legend(ASCII)])
    assert text.isascii()
    assert all(part in text for part in ("= ok", "~ slow", "x error", "? unknown", "blank: no answer"))


def plan_text(plan: Plan | None, width: int = 80) -> str:
    """The plan page of the failover, as text on one line."""
    return " ".join(plain(drill_rows(FAILOVER, "demo", plan, cluster(), None, width)).split())


def test_the_plan_says_now_will_risk_undo_and_every_check() -> None:
    plan = Plan({}, (("SIGKILL pg1", ""), ("promote the furthest", "")), CHECKS, shape(cluster()), "s1 lacks 4.8 MB.")
    text = plan_text(plan)
    assert "1 SIGKILL pg1" in text and "2 promote the furthest" in text
    assert "s1 lacks 4.8 MB. Writes fail until the promotion." in text
    assert "Until the promotion. X at any time" in text
    assert "1 ok, 1 warnings, 1 refusals" in text
    assert text.index("NO faults: cut at s2 pgreplterm fault heal") < text.index("warn lag: s2 is 20 MB behind wait")
    assert "ok one primary: pg1" in text
    assert "candidate = chosen by the drill" in text and "failure = kill" in text
    assert plan.refusal == "faults: cut at s2"


def test_a_plan_that_cannot_be_made_says_why_and_forbids() -> None:
    plan = Plan(trouble="expected node to be set, found nothing; press o")
    assert "expected node to be set" in plan_text(plan)
    assert plan.refusal is not None
    assert "looking at the cluster" in plan_text(None)


def test_risk_is_unknown_when_positions_are() -> None:
    unknown = replace(link("pg1", "s1", None), gaps=replace(link("pg1", "s1").gaps, flush=None))
    assert "unknown" in risk(replace(cluster(), links=(unknown,)))
    links = tuple(replace(each, gaps=replace(each.gaps, flush=5_000_000)) for each in cluster().links)
    assert "lacks 4.8 MB" in risk(replace(cluster(), links=links))


def test_options_as_typed() -> None:
    assert arguments_of("candidate=s2 failure=kill", FAILOVER.options) == {"candidate": "s2"}
    assert typed({"candidate": "s2"}, FAILOVER.options) == "candidate=s2 failure=kill"
    for text in ("candidat=s2", "s2", "candidate='s2"):
        with pytest.raises(ValueError, match=r"expected|No closing"):
            arguments_of(text, FAILOVER.options)


def test_a_scenario_says_what_it_teaches_and_of_mysql_only_when_asked() -> None:
    def text(*, mysql: bool, explain: bool) -> str:
        return plain(scenario_rows(SCENARIO, "scenario-x", None, 80, mysql=mysql, explain=explain))

    brief = text(mysql=False, explain=False)
    for words in (
        "05 network-interruption",
        "the disk pays",
        "intermediate, about 1 min",
        "1 cut pg2 off",
        "2 restore",
    ):
        assert words in brief
    assert "relay log" not in brief and "m shows" in brief and "Its slot keeps WAL." not in brief
    full = text(mysql=True, explain=True)
    assert "relay log" in full and "Its slot keeps WAL." in full


def figure(key: str, value: Any, unit: str = "s", label: str = "") -> Figure:
    """One figure."""
    return Figure(key, label or key, value, unit, f"how {key} was measured")


def report(**changes: Any) -> Report:
    """A failover that went well."""
    figures = (
        figure("fork_lsn", "0/03000148", "", "Fork LSN"),
        figure("detection_seconds", 0.101, label="Detection"),
        figure("downtime_seconds", 0.812, label="Downtime"),
        figure("lost", 0, "rows", "Lost"),
        figure("at_risk_bytes", 5_000_000, "bytes", "At risk before"),
        figure("rejoin_seconds", None, label="Rejoin time"),
    )
    made = Report(
        "drill", "failover", "Failover drill", "pg1 was killed, pg2 was promoted", "demo", "local", "18.6", START,
        START + 5, Outcome.PASSED, figures, steps=(StepTime("kill primary", START, 0.25, "SIGKILL to pg1"),),
        files={"recording": "/tmp/a b/recording", "diverged": "/tmp/diverged.json"},
    )  # fmt: skip
    return replace(made, **changes)


def card(*, changed: Report | None = None, width: int = 80) -> list[Row]:
    """The result card's rows."""
    shown = changed or report()
    before = replace(report(), started_at=START - 60)
    return result_rows(shown, compare(shown, [before]), Run(Path("/state/run")), UNICODE, width)


def test_the_card_reads_from_the_outcome_to_the_files() -> None:
    text = plain(card())
    order = ("RESULT  Failover drill  ✓ passed", "Downtime", "812 ms", "101 ms", "0 rows", "Fork LSN", "0/03000148")
    positions = [text.index(part) for part in (*order, "Compared with", "kill primary", "/state/run", "replay '/tmp/a")]
    assert positions == sorted(positions)
    assert all(width_of(line) <= 80 for line in card())


def test_what_was_not_measured_is_no_zero_and_what_was_lost_is_critical() -> None:
    (line,) = [line for line in card() if line and "Rejoin time" in line[0][0]]
    assert ("not measured", Ink.WARNING) in [(text.strip(), ink) for text, ink in line]
    lost = replace(report(), figures=(figure("lost", 3, "rows", "Lost"),))
    inks = {text.strip(): ink for line in card(changed=lost) for text, ink in line}
    assert inks["3 rows"] is Ink.CRITICAL


def test_an_expectation_that_does_not_hold_is_said_first() -> None:
    expectations = (Expectation("nothing is lost", False, "lost", 3), Expectation("it is fast", None, "x", None))
    shown = report(outcome=Outcome.FAILED, reason="nothing is lost: found 3", expectations=expectations)
    text = plain(card(changed=shown))
    assert "! failed" in text and "nothing is lost: found 3" in text
    assert "does not hold    nothing is lost" in text and "not measured     it is fast" in text
    assert text.index("does not hold") < text.index("Downtime")


def test_a_result_is_never_called_passed_that_left_no_report() -> None:
    past = PastRun(Run(Path("/x")), Kind.DRILL, "failover", "demo", START, "interrupted")
    assert ending(past, START)[0].startswith("interrupted")
    assert ending(None, START) == ("-", Ink.DIM)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_rows_of_the_lists_fit(width: int) -> None:
    for line in (drill_row(FAILOVER, None, None, width), scenario_row(SCENARIO, None, "no", width)):
        assert width_of(line) <= max(width, 60)
    assert all(ink is Ink.DIM for _, ink in scenario_row(SCENARIO, None, "no", width))
    assert "intermediate" in plain([scenario_row(SCENARIO, None, None, 80)])
