"""The Drills place by keys: the chooser, the plan page, the run page, the result; on an engine that only says."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.widget import Widget

from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.engine.lock import only_drill
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.journal import Journal
from pgreplterm.drill.report.document import as_document
from pgreplterm.drill.report.model import Outcome, Report
from pgreplterm.drill.runs import new_run, runs
from pgreplterm.lab import process, state
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.state import LabState, Phase
from pgreplterm.tui.drills import planning
from pgreplterm.tui.drills.planning import Plan, shape
from pgreplterm.tui.drills.runner import DrillRunner
from pgreplterm.tui.options import TuiOptions

from .engine import scripted
from .snapshots import START, ScriptedSource, cluster, node, ticks, with_node
from .stage import Stage, stage

REPORT = as_document(
    Report(
        "drill", "failover", "Failover drill", "pg1 was killed, pg2 was promoted", "demo", "local", "18.6",
        START, START + 5, Outcome.PASSED, (Figure("lost", "Lost", 0, "rows", "ids that are gone"),),
    )
)  # fmt: skip
PLANNED = {
    "event": "planned",
    "steps": [{"name": name, "will": f"will {name}", "why": f"why {name}", "part": ""} for name in ("kill", "promote")],
}
KILLED = ({"event": "step_started", "step": "kill", "part": ""}, {"event": "step_done", "step": "kill", "part": ""})
DONE = {"event": "done", "report": REPORT}
Events = Sequence[Mapping[str, Any]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the runs go; plans are made of the snapshot alone, since there is no lab."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PGREPLTERM_LAB_ROOT", str(tmp_path / "labs"))
    plan_with(monkeypatch)
    return tmp_path / "pgreplterm" / "runs"


def plan_with(monkeypatch: pytest.MonkeyPatch, *checks: Check) -> None:
    """Have every plan of a drill have these checks."""

    def made(_: object, __: str, snapshot: ClusterSnapshot, arguments: Mapping[str, str]) -> Plan:
        return Plan(arguments, (("SIGKILL pg1", ""),), checks, shape(snapshot), planning.risk(snapshot))

    monkeypatch.setattr(planning, "_drill", made)


async def on_the_plan_page(here: Stage) -> None:
    """D, Enter: the plan of the first drill, the failover."""
    here.source.show(cluster())
    await here.sees("s2")
    await here.press("D")
    await here.sees("failover")
    await here.press("enter")
    await here.sees("1 SIGKILL pg1")


async def started(here: Stage, key: str = "enter") -> None:
    """The failover, its name typed."""
    await on_the_plan_page(here)
    await here.press(key, *"demo", "enter")


def at(events: Events, folder: Path) -> Any:
    """A stage on a lab of ours, with that engine."""
    runner = DrillRunner(engine=scripted(folder, events))
    return stage(source=ScriptedSource(owned_lab="demo"), drills=True, runner=runner)


async def test_a_drill_needs_a_lab_of_ours(folder: Path) -> None:
    async with stage(drills=True) as here:
        here.source.show(cluster())
        await here.sees("s2")
        await here.press("D")
        await here.sees("drills run only on a lab this program created")
        await here.press("enter")
        assert "Will" not in here.text


async def test_a_drill_needs_arming(folder: Path) -> None:
    async with stage(source=ScriptedSource(owned_lab="demo"), drills=False) as here:
        await on_the_plan_page(here)
        assert "READ-ONLY" in await here.sees("It may not run: drills are not armed; start with --drills")
        await here.press("enter")
        await here.sees("Not started: drills are not armed")


async def test_a_drill_runs_only_after_the_name_is_typed(folder: Path) -> None:
    async with at([PLANNED, *KILLED, DONE], folder) as here:
        assert "DRILLS ARMED" in here.lines[0]
        await on_the_plan_page(here)
        await here.press("enter")
        await here.sees("Type the lab's name, demo, to run it")
        await here.press("enter")
        await here.sees("expected demo, found nothing")
        await here.press(*"prod", "enter")
        await here.sees("expected demo, found prod")
        await here.press("escape", "enter", *"demo")
        here.source.show(with_node(replace(cluster(), taken_at=START + 1), node("s2", timeline=2)))
        await here.sees("TL 2")
        await here.press("enter")
        await here.sees("the cluster has changed")
        assert not list(runs(folder))
        await here.press("enter")
        text = await here.sees("RESULT  Failover drill")
        assert "0 rows" in text and "✓ passed" in text
        await here.press("1")
        await here.sees("failover on demo done")
        await here.press("6", "escape")
        await here.sees("passed")
        await here.press("v")
        await here.sees("RESULT  Failover drill")


async def test_a_refusal_forbids_whatever_is_typed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_with(monkeypatch, Check("faults", Verdict.REFUSAL, "cut at s2", "heal it"))
    async with at([DONE], folder) as here:
        await on_the_plan_page(here)
        await here.sees("It may not run: faults: cut at s2")
        await here.press("enter")
        await here.sees("Not started: faults: cut at s2")
        assert not list(runs(folder))


async def test_what_a_check_finds_at_the_last_moment_refuses(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at([DONE], folder) as here:
        await on_the_plan_page(here)
        await here.press("enter", *"demo")
        plan_with(monkeypatch, Check("other drill", Verdict.REFUSAL, "a switchover runs"))
        await here.press("enter")
        await here.sees("Not started: other drill: a switchover runs")
        assert not list(runs(folder))


async def test_step_by_step_explains_and_waits_for_a_key(folder: Path) -> None:
    paused = [{"event": "paused", "before": name, "part": "", "why": f"why {name}"} for name in ("kill", "promote")]
    events: list[Mapping[str, Any]] = [
        PLANNED,
        {"event": "running"},
        paused[0],
        {"wait": "step"},
        {"event": "resumed"},
        *KILLED,
    ]
    events += [paused[1], {"wait": "resume"}, {"event": "resumed"}, DONE]
    async with at(events, folder) as here:
        await started(here, "s")
        text = await here.sees("Paused before kill: will kill")
        assert "why kill" in text and "step by step" in text
        (run,) = runs(folder)
        assert json.loads(run.request.read_text())["stepwise"] is True
        await here.press("enter")
        await here.sees("Paused before promote")
        await here.press("space")
        await here.sees("RESULT  Failover drill")


async def test_a_question_is_answered_by_its_number(folder: Path) -> None:
    asked = {"event": "asked", "question": "Which one lost writes?", "answers": ["pg1", "pg2"]}
    answered = {"event": "answered", "answer": "pg2", "right": True}
    async with at([PLANNED, {"event": "running"}, asked, {"wait": "answerpg2"}, answered, DONE], folder) as here:
        await started(here)
        await here.sees("Which one lost writes?")
        await here.press("a")
        await here.sees("Esc")
        await here.press("2")
        await here.sees("RESULT  Failover drill")


async def test_abort_asks_once_and_leaving_the_page_ends_nothing(folder: Path) -> None:
    async with at([PLANNED, {"event": "running"}, *KILLED, {"wait": "never"}], folder) as here:
        await started(here)
        await here.sees("1 of 2 steps")
        await here.press("escape")
        await here.sees("failover on demo: running")
        await here.press("D")
        await here.sees("1 of 2 steps")
        await here.press("X")
        await here.sees("Abort failover on demo?")
        await here.press("escape")
        await here.sees("running")
        await here.press("X", "X")
        await here.sees("aborted by the user")
        await here.sees("the cluster is whole")


@pytest.mark.parametrize("key", ["X", "enter"])
async def test_quitting_during_a_run_heals_or_leaves_it_running(folder: Path, key: str) -> None:
    async with at([PLANNED, {"event": "running"}, {"wait": "resume"}, DONE], folder) as here:
        await started(here)
        await here.sees("0 of 2 steps")
        await here.press("q")
        await here.sees("failover on demo is running")
        await here.press("escape")
        await here.sees("0 of 2 steps")
        await here.press("q", key)
        for _ in range(1000):
            if here.app.return_code is not None:
                break
            await asyncio.sleep(0.01)
        (run,) = runs(folder)
        assert ("healing" in run.journal.read_text()) == (key == "X")
        with run.control.open("a") as control:
            control.write('{"command": "resume"}\n')


async def test_a_run_cut_off_without_a_word_offers_to_heal(folder: Path, tmp_path: Path) -> None:
    healer = 'import sys; open(sys.argv[1], \'a\').write(\'{"event": "failed", "healed": true, "t": 1}\' + chr(10))'

    def heal(_: str) -> list[str]:
        (run,) = runs(folder)
        return [sys.executable, "-c", healer, str(run.journal)]

    runner = DrillRunner(engine=scripted(folder, [PLANNED, {"event": "running"}, *KILLED]), healer=heal)
    source = ScriptedSource(owned_lab="demo")
    async with stage(source=source, drills=True, runner=runner) as here:
        await started(here)
        text = await here.sees("interrupted")
        assert "the engine is gone" in text and "X heals" in text
        await here.press("X")
        await here.sees("Heal failover on demo?")
        await here.press("X")
        await here.sees("the cluster is whole")


async def test_past_runs_are_listed_and_open(folder: Path) -> None:
    async with at([PLANNED, *KILLED, DONE], folder) as here:
        await started(here)
        await here.sees("RESULT")
        await here.press("escape", "tab", "tab")
        text = await here.sees("BEGAN")
        assert "lost 0 rows" in text and "past runs 1" in text
        await here.press("enter")
        assert "ids that are gone" in await here.sees("RESULT  Failover drill")


async def test_the_scenarios_are_files_and_their_plan_tells_of_mysql_on_m(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "pgreplterm" / "scenarios"
    place.mkdir(parents=True)
    (place / "broken.toml").write_text("name = \n")
    async with at([DONE], folder) as here:
        here.source.show(cluster())
        await here.press("D", "tab")
        await here.sees("Network interruption")
        await here.press("slash", *"broken", "enter")
        assert "Network interruption" not in await here.sees("cannot be read")
        assert "line 1" in here.text or ":1" in here.text
        await here.press("slash", *[*["backspace"] * 6, *"network"], "enter")
        await here.sees("Network interruption")
        await here.press("enter")
        await here.sees("SCENARIO  05 network-interruption")
        assert "m shows what it is in MySQL" in here.text
        await here.press("m")
        assert "m shows what it is in MySQL" not in here.text


async def test_a_drill_that_somebody_else_runs_is_found_and_followed(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "labs" / "demo"
    place.mkdir(parents=True)
    lab = LabState("demo", START, os.geteuid(), process.myself(), Phase.READY, "/nowhere", "18.6", 1 << 24)
    state.write(place, lab)
    run = new_run(folder, "failover", "demo", START)
    request = {"kind": "drill", "name": "failover", "lab": "demo"}
    run.request.write_text(json.dumps(request))
    with only_drill(Lab.load("demo"), run), closing(Journal(run.journal)) as journal:
        journal.write("requested", request=request)
        journal.write("planned", steps=PLANNED["steps"])
        journal.write("running")
        async with at([], folder) as here:
            here.source.show(cluster())
            await here.press("6")
            await here.sees("failover on demo: running")
            await here.press("v")
            await here.sees("0 of 2 steps")
            journal.write("done", report=REPORT)
            await here.sees("RESULT  Failover drill")


async def test_the_filter_leaves_rows_that_have_the_words(folder: Path) -> None:
    async with stage() as here:
        await here.press("6")
        await here.sees("switchover")
        await here.press("slash", *"kill", "enter")
        assert "switchover" not in await here.sees("only: kill")
        await here.press("escape")
        await here.sees("switchover")


async def test_nothing_is_painted_while_nothing_changes(folder: Path) -> None:
    async with at([PLANNED, *KILLED, DONE], folder) as here:
        await started(here)
        await here.sees("RESULT")
        for keys in ((), ("escape",)):
            await here.press(*keys)
            await here.sees("passed")
            here.source.show(cluster())
            await here.sees("live")
            await here.pilot.pause(0.3)
            painted: list[object] = []
            for widget in here.app.screen.query("*"):
                widget.refresh = recorder(widget, painted)
            here.source.show(*ticks(cluster(), 5)[1:])
            await here.pilot.pause(0.5)
            assert painted == []


def recorder(widget: Widget, painted: list[object]) -> Callable[..., Any]:
    """A refresh that is noted as well as done."""
    refresh = widget.refresh

    def noted(*regions: Any, **options: Any) -> Any:
        painted.append((widget, regions))
        return refresh(*regions, **options)

    return noted


@pytest.mark.parametrize(("width", "height"), [(40, 10), (20, 5), (120, 40)])
async def test_every_page_draws_at_any_size(folder: Path, width: int, height: int) -> None:
    runner = DrillRunner(engine=scripted(folder, [PLANNED, {"event": "running"}, *KILLED, DONE]))
    options = TuiOptions(ascii_only=True)
    source = ScriptedSource(owned_lab="demo")
    async with stage(width, height, source=source, drills=True, runner=runner, options=options) as here:
        source.show(cluster())
        await here.press("6", "tab", "tab", "tab", "enter")
        await here.press("enter", *"demo", "enter")
        while not runner.progress or not runner.progress.finished:
            await here.pilot.pause(0.05)
        await here.press("j", "G", "g")
        assert here.text.isascii()
