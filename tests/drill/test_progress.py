"""Journals, written by the program's own writer or by hand, folded into where a run stands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pgreplterm.drill.check import Verdict
from pgreplterm.drill.journal import Journal
from pgreplterm.drill.progress import fold, folded, parse_line
from pgreplterm.drill.progress_model import Progress, RunState, StepState

START = 1_700_000_000.0
PLANNED = {
    "event": "planned",
    "steps": [
        {"name": "kill primary", "will": "SIGKILL pg1", "why": "The failure itself.", "part": ""},
        {"name": "promote", "will": "promote the furthest", "why": "It loses least.", "part": ""},
    ],
}
UNDO = {"action": "start-node", "sentence": "start pg1", "arguments": {"node": "pg1"}, "until": "promote"}


def after(*events: Mapping[str, Any], progress: Progress | None = None) -> Progress:
    """The progress after those events, a second apart."""
    progress = progress or Progress()
    for second, event in enumerate(events):
        progress = fold(progress, {"t": START + second, **event})
    return progress


def test_the_engines_own_journal_is_understood(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write("requested", request={"kind": "drill", "name": "failover", "lab": "demo"})
    journal.write("recording", path="recording")
    journal.write("preflight", checks=[{"name": "one primary", "verdict": "ok", "evidence": "pg1", "remedy": ""}])
    journal.write(**PLANNED)  # type: ignore[arg-type]
    journal.write("running")
    with journal.step("kill primary", UNDO) as step:
        step.observe("SIGKILL to pg1")
        step.detail = "pg1 is dead"
    with pytest.raises(ValueError, match="no"), journal.step("promote"):
        raise ValueError("no standby left")
    journal.write("healing", reason="no standby left")
    journal.write("undo_started", undo=UNDO)
    journal.write("undo_done", undo=UNDO, detail="it runs")
    journal.write("failed", detail="no standby left", healed=True)
    journal.close()
    progress = folded((tmp_path / "journal.jsonl").read_text().splitlines())
    kill, promote = progress.steps
    assert (kill.state, kill.detail, kill.seen, kill.undo) == (
        StepState.DONE,
        "pg1 is dead",
        ("SIGKILL to pg1",),
        "start pg1",
    )
    assert kill.seconds is not None and kill.why == "The failure itself."
    assert (promote.state, promote.detail) == (StepState.FAILED, "no standby left")
    assert progress.request is not None and progress.request["lab"] == "demo"
    assert [check.verdict for check in progress.checks] == [Verdict.OK]
    assert [(undo.sentence, undo.state, undo.detail) for undo in progress.undos] == [
        ("start pg1", StepState.DONE, "it runs")
    ]
    assert (progress.state, progress.failure, progress.healed) == (RunState.FAILED, "no standby left", True)


@pytest.mark.parametrize("line", ["", '{"t": 1, "eve', "[]", '{"t": 1}', "3"])
def test_a_torn_or_foreign_line_is_skipped(line: str) -> None:
    assert parse_line(line) is None
    assert folded([line]) == Progress()


def test_the_states_in_the_order_they_come() -> None:
    events: list[tuple[dict[str, Any], RunState]] = [
        (PLANNED, RunState.PLANNED),
        ({"event": "paused", "before": "kill primary", "why": "The failure itself."}, RunState.PAUSED),
        ({"event": "resumed"}, RunState.RUNNING),
        ({"event": "step_started", "step": "kill primary", "part": "", "undo": None}, RunState.RUNNING),
        ({"event": "healing", "reason": "aborted by the user"}, RunState.HEALING),
        ({"event": "failed", "detail": "aborted by the user", "healed": True}, RunState.FAILED),
    ]
    progress = Progress()
    for event, expected in events:
        progress = after(event, progress=progress)
        assert progress.state is expected
        assert (progress.paused_before == "kill primary") == (expected is RunState.PAUSED)
    assert progress.finished


def test_a_question_waits_for_its_answer() -> None:
    asked = {"event": "asked", "question": "Which one lost writes?", "answers": ["pg1", "pg2"]}
    progress = after({"event": "running"}, asked)
    assert progress.question is not None and progress.question.answers == ("pg1", "pg2")
    progress = after({"event": "answered", "answer": "pg2", "right": False}, progress=progress)
    assert progress.question is None
    assert [(each.answer, each.right) for each in progress.answered] == [("pg2", False)]


def test_the_steps_of_a_drill_within_a_scenario_come_behind_the_step_that_performs_it() -> None:
    inner = {"event": "planned", "steps": [{"name": "promote", "will": "promote pg2", "why": "", "part": "failover"}]}
    progress = after(
        {"event": "planned", "steps": [{"name": "fail over", "part": ""}, {"name": "promote", "part": ""}]},
        {"event": "step_started", "step": "fail over", "part": ""},
        inner,
        {"event": "step_started", "step": "promote", "part": "failover"},
        {"event": "observation", "step": "promote", "detail": "pg2 is furthest"},
        {"event": "step_done", "step": "promote", "part": "failover", "detail": "pg2"},
    )
    assert [(step.name, step.part, step.state) for step in progress.steps] == [
        ("fail over", "", StepState.RUNNING),
        ("promote", "failover", StepState.DONE),
        ("promote", "", StepState.PLANNED),
    ]
    assert progress.steps[1].seen == ("pg2 is furthest",)
    assert progress.current is progress.steps[0]


def test_a_step_that_comes_again_is_another_step() -> None:
    once = [{"event": word, "step": "measure", "part": ""} for word in ("step_started", "step_done")]
    progress = after(*once, *once)
    assert [step.state for step in progress.steps] == [StepState.DONE] * 2


def test_a_run_that_was_cut_off_and_healed_later() -> None:
    begun = {"event": "step_started", "step": "kill primary", "part": "", "undo": UNDO}
    progress = after(PLANNED, {"event": "running"}, begun, {"event": "interrupted", "detail": "the engine is gone"})
    assert (progress.steps[0].state, progress.steps[0].seconds) == (StepState.FAILED, 1.0)
    assert (progress.state, progress.failure, progress.finished) == (RunState.INTERRUPTED, "the engine is gone", True)
    progress = after({"event": "healing", "reason": "its engine is gone"}, progress=progress)
    assert (progress.state, progress.failure, progress.finished) == (RunState.HEALING, None, False)
    mended = {"event": "observation", "step": "heal", "detail": "pg3 streams again"}
    progress = after(mended, {"event": "failed", "detail": "cut off", "healed": True}, progress=progress)
    assert [undo.sentence for undo in progress.undos] == ["pg3 streams again"]
    assert progress.healed is True


def test_what_could_not_be_made_whole_is_not_called_whole() -> None:
    broken = after({"event": "healing"}, {"event": "not_whole", "detail": "pg3 is down"}, {"event": "failed"})
    assert broken.healed is False
    assert after({"event": "failed", "detail": "refused"}).healed is None


def test_a_verdict_nobody_knows_is_not_ok() -> None:
    progress = after({"event": "preflight", "checks": [{"name": "new", "verdict": "splendid", "evidence": ""}]})
    assert progress.checks[0].verdict is Verdict.WARNING


def test_events_of_a_later_version_change_nothing() -> None:
    progress = after(PLANNED)
    assert after({"event": "weather", "detail": "rain"}, progress=progress) == progress
