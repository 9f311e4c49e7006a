"""The engine as a process of its own: followed, held, told, one for each lab, and outliving who started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from pgreplterm import cli
from pgreplterm.drill.control import Aborted
from pgreplterm.drill.engine import identity, lock
from pgreplterm.drill.engine.file_control import FileControl
from pgreplterm.drill.engine.follow import Follower, follow
from pgreplterm.drill.engine.standing import Standing, standing_of
from pgreplterm.drill.engine.tail import Tail
from pgreplterm.drill.engine.tell import Command, NotRunning, abort, send
from pgreplterm.drill.journal import Journal
from pgreplterm.drill.procedure import Step
from pgreplterm.drill.runs import Run, runs
from pgreplterm.errors import ExitCode, PgReplTermError
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.process import wait_until
from tests.conftest import _maker
from tests.drill.engines import (
    DEADLINE,
    assert_whole,
    await_end,
    await_event,
    begin,
    events_of,
    heal,
    kill,
    named,
    starts,
    timeline_of,
)
from tests.faults.harness import primary
from tests.lab.commands import command
from tests.tui.terminal import Terminal


@pytest.fixture(scope="module")
def standing_lab(lab_root: Path) -> Iterator[Lab]:
    """One lab for the whole module: every drill leaves it whole."""
    for make in _maker():
        yield make(standbys=1)


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs are kept by default here."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "pgreplterm" / "runs"


@contextmanager
def stepwise(lab: Lab, base: Path, kind: str = "switchover") -> Iterator[Run]:
    """A run that waits before every step, and is aborted at the end if it is still there."""
    run = begin(lab, kind, base, stepwise=True)
    try:
        await_event(run, named("paused"))
        yield run
    finally:
        with suppress(NotRunning):
            abort(run)
            await_end(run)


def paused_before(run: Run) -> list[str]:
    return [event["before"] for event in events_of(run) if event["event"] == "paused"]


def await_pauses(run: Run, count: int) -> None:
    assert wait_until(lambda: len(paused_before(run)) >= count, DEADLINE, 0.01), events_of(run)[-3:]


def test_a_run_is_followed_held_and_resumed(standing_lab: Lab, base: Path) -> None:
    with stepwise(standing_lab, base) as run:
        first, second, third = (step["name"] for step in await_event(run, named("planned"))["steps"][:3])
        why = await_event(run, named("paused"))["why"]
        assert len(why) > 40, "a learner is told why"
        send(run, Command.STEP)
        await_pauses(run, 2)
        assert [event["step"] for event in events_of(run) if event["event"] == "step_started"] == [first]
        send(run, Command.STEP)
        await_pauses(run, 3)
        assert paused_before(run) == [first, second, third]
        send(run, Command.RESUME)
        words = [event["event"] for event in follow(run)]
        assert words[0] == "requested" and words[-1] == "done"
        assert paused_before(run) == [first, second, third], "after resume it stops no more"
        late = Follower(run, from_start=False)
        assert [event["event"] for event in late.news()] == ["done"] and late.over
        assert standing_of(run) is Standing.DONE
    with pytest.raises(NotRunning):
        send(run, Command.PAUSE)
    assert_whole(standing_lab)


def test_a_run_is_paused_from_another_process(standing_lab: Lab, base: Path) -> None:
    run = begin(standing_lab, "switchover", base)
    assert cli.run(["drill", "pause", run.name]) == 0
    waits = await_event(run, named("paused"))
    time.sleep(0.2)  # long enough for it to go on, if it did
    assert events_of(run)[-1] == waits
    assert cli.run(["drill", "step", "--lab", standing_lab.name]) == 0
    await_pauses(run, 2)
    assert cli.run(["drill", "resume"]) == 0
    assert await_end(run)["event"] == "done"


def test_one_drill_for_each_lab(standing_lab: Lab, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with stepwise(standing_lab, base) as run:
        assert lock.latest(standing_lab) == run
        second = begin(standing_lab, "failover", base)
        end = await_end(second)
        assert end["event"] == "failed" and "already running" in end["detail"]
        assert cli.run(["drill", "heal", "--lab", standing_lab.name]) == ExitCode.FINDING
        assert "drill abort" in capsys.readouterr().err
        assert lock.latest(standing_lab) == run, "the one that was refused is not the lab's"


def test_an_abort_before_the_promotion_brings_the_old_primary_back(standing_lab: Lab, base: Path) -> None:
    was, timeline = primary(standing_lab), timeline_of(standing_lab)
    with stepwise(standing_lab, base, "failover") as run:
        send(run, Command.STEP)
        await_pauses(run, 2)
        send(run, Command.STEP)
        await_pauses(run, 3)
        assert not standing_lab.is_running(was), "it was killed"
        assert cli.run(["drill", "abort", run.name]) == 0
        end = await_end(run)
    assert (end["event"], end["healed"]) == ("failed", True)
    assert standing_of(run) is Standing.FAILED
    assert_whole(standing_lab)
    assert (primary(standing_lab), timeline_of(standing_lab)) == (was, timeline)


def test_a_killed_engine_is_found_from_another_login(
    standing_lab: Lab, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with stepwise(standing_lab, base, "failover") as run:
        send(run, Command.STEP)
        await_pauses(run, 2)
        kill(run)
    assert [event["event"] for event in follow(run)][-1] == "interrupted"
    assert standing_of(run) is Standing.INTERRUPTED
    assert lock.interrupted(standing_lab) == run
    refused = await_end(begin(standing_lab, "failover", base))
    assert "heal it first with 'pgreplterm drill heal" in refused["detail"]
    capsys.readouterr()
    assert cli.run(["drill", "runs", "--json"]) == 0
    listed = {each["run"]: each["standing"] for each in json.loads(capsys.readouterr().out)}
    assert listed[run.name] == "interrupted"
    heal(standing_lab)
    assert_whole(standing_lab)
    capsys.readouterr()
    heal(standing_lab)
    assert "nothing to heal" in capsys.readouterr().out
    assert standing_of(run) is Standing.FAILED


def test_the_engine_is_a_session_of_its_own(standing_lab: Lab, base: Path) -> None:
    with stepwise(standing_lab, base) as run:
        found = identity.read(run)
        assert found is not None and found.lab == standing_lab.name
        engine = found.process.pid
        assert os.getsid(engine) == engine
        targets = [Path(f"/proc/{engine}/fd/{number}").readlink() for number in range(3)]
        assert targets == [Path("/dev/null"), run.log, run.log]
        os.kill(engine, signal.SIGHUP)
        send(run, Command.STEP)
        await_pauses(run, 2)


def drill_command(lab: Lab, *words: str) -> list[str]:
    return command("drill", "run", "switchover", "--lab", lab.name, "--yes", lab.name, *words)


def newest(base: Path) -> Run:
    assert wait_until(lambda: any(run.journal.exists() for run in runs(base)), DEADLINE, 0.01)
    return next(runs(base))


def test_a_killed_command_leaves_the_engine_running(standing_lab: Lab, base: Path) -> None:
    program = subprocess.Popen(drill_command(standing_lab), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run = newest(base)
    await_event(run, starts("stop primary"))
    program.kill()
    program.wait()
    assert await_end(run)["report"]["outcome"] == "passed"
    assert_whole(standing_lab)


@pytest.mark.parametrize("controlling", [True, False], ids=["SIGHUP", "a write that fails"])
def test_a_lost_terminal_only_detaches(standing_lab: Lab, base: Path, controlling: bool) -> None:
    with Terminal(drill_command(standing_lab), controlling=controlling) as terminal:
        run = newest(base)
        await_event(run, starts("stop primary"))
        terminal.hang_up()
        terminal.wait_exit(DEADLINE)
        assert await_end(run)["report"]["outcome"] == "passed"
    assert_whole(standing_lab)


def test_step_by_step_on_a_terminal(standing_lab: Lab, base: Path) -> None:
    with Terminal(drill_command(standing_lab, "--step"), height=50) as terminal:
        terminal.wait_for("Enter: do it", DEADLINE)
        run = newest(base)
        first, second = (step["name"] for step in await_event(run, named("planned"))["steps"][:2])
        assert f"next: {first} (1 of " in terminal.text
        terminal.press("\n")
        terminal.wait_for(f"next: {second} (2 of ", DEADLINE)
        assert max(map(len, terminal.lines)) <= 80
        terminal.press("d\n")
        assert terminal.wait_exit(DEADLINE) == 0
        assert "drill attach" in terminal.text
    with Terminal(command("drill", "attach", "--lab", standing_lab.name)) as terminal:
        terminal.wait_for("Enter: do it", DEADLINE)
        terminal.press("c\n")
        assert terminal.wait_exit(DEADLINE) == 0
        assert b"PASSED: Switchover drill" in terminal.received
    assert_whole(standing_lab)


def test_the_first_ctrl_c_aborts_and_the_second_detaches(standing_lab: Lab, base: Path) -> None:
    was = primary(standing_lab)
    with Terminal(drill_command(standing_lab)) as terminal:
        run = newest(base)
        await_event(run, starts("checkpoint"))
        terminal.press("\x03")
        assert terminal.wait_exit(DEADLINE) == ExitCode.INTERRUPTED
        assert "taken back" in terminal.text and "Traceback" not in terminal.text
    end = await_end(run)
    assert (end["event"], end["healed"]) == ("failed", True)
    assert primary(standing_lab) == was
    with Terminal(drill_command(standing_lab, "--step")) as terminal:
        terminal.wait_for("Enter: do it", DEADLINE)
        terminal.press("\x03\x03")
        assert terminal.wait_exit(DEADLINE) == ExitCode.INTERRUPTED
    assert await_end(next(runs(base)))["healed"]
    assert_whole(standing_lab)


def test_ctrl_c_of_an_attached_terminal_only_detaches(standing_lab: Lab, base: Path) -> None:
    with (
        stepwise(standing_lab, base) as run,
        Terminal(command("drill", "attach", run.name)) as terminal,
    ):
        terminal.wait_for("Enter: do it", DEADLINE)
        terminal.press("\x03")
        assert terminal.wait_exit(DEADLINE) == 0
        assert identity.is_alive(run)


def test_what_cannot_begin_is_said_at_once(standing_lab: Lab, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["drill", "run", "switchover", "--lab", standing_lab.name]
    assert cli.run([*run, "--yes", "other"]) == ExitCode.USAGE
    assert "nothing was done" in capsys.readouterr().err
    assert cli.run([*run, "--yes", standing_lab.name, "--set", "candidat=pg2"]) == ExitCode.USAGE
    assert "did you mean 'candidate'?" in capsys.readouterr().err
    assert cli.run([*run, "--yes", standing_lab.name, "--report-dir", "/proc/nowhere"]) == ExitCode.USAGE
    assert "--report-dir" in capsys.readouterr().err
    assert not list(runs(base))


def test_a_refusal_is_a_finding(standing_lab: Lab, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    standby = next(node.name for node in standing_lab.nodes if node.upstream is not None)
    standing_lab.stop(standby)
    try:
        words = ["switchover", "--lab", standing_lab.name]
        assert cli.run(["drill", "plan", *words]) == ExitCode.FINDING
        out = capsys.readouterr().out
        assert "refusal" in out and "It is refused as things are. Nothing was done." in out
        assert cli.run(["drill", "run", *words, "--yes", standing_lab.name]) == ExitCode.FINDING
        assert "Nothing was done" in capsys.readouterr().err
    finally:
        standing_lab.start(standby)
    assert_whole(standing_lab)


def test_runs_and_reports(standing_lab: Lab, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["drill", "report"]) == ExitCode.USAGE
    assert "no report yet" in capsys.readouterr().err
    words = ["drill", "run", "switchover", "--lab", standing_lab.name, "--yes", standing_lab.name]
    assert cli.run([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["outcome"] == "passed"
    assert cli.run([*words, "--detach"]) == 0
    name = capsys.readouterr().out.strip()
    assert cli.run(["drill", "attach", name]) == 0
    assert "PASSED" in capsys.readouterr().out
    assert cli.run(["drill", "report", "--format", "json", "--lab", standing_lab.name]) == 0
    assert json.loads(capsys.readouterr().out)["started_at"] > document["started_at"]
    for form, mark in (("markdown", "# "), ("html", "<!DOCTYPE html>"), ("text", "PASSED")):
        assert cli.run(["drill", "report", name, "--format", form, "--compare", "5"]) == 0
        assert mark in capsys.readouterr().out
    assert cli.run(["drill", "report", name[:-1]]) == ExitCode.USAGE
    assert name in capsys.readouterr().err


def test_the_list_and_the_plan(standing_lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["drill", "ls", "--json"]) == 0
    kinds = {each["kind"]: each for each in json.loads(capsys.readouterr().out)}
    assert {"failover", "switchover"} <= kinds.keys()
    assert all(each["effect"] and each["radius"] and each["reversibility"] for each in kinds.values())
    assert cli.run(["drill", "ls", "failver"]) == ExitCode.USAGE
    assert "did you mean 'failover'?" in capsys.readouterr().err
    assert cli.run(["drill", "plan", "failover", "--lab", standing_lab.name, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["allowed"] and plan["preflight"] and [step["name"] for step in plan["steps"]][-1] == "measure"
    assert plan["at_risk_bytes"].keys() == {primary(standing_lab)}


def test_a_question_is_answered_or_nobody_is_there(tmp_path: Path) -> None:
    run = Run(tmp_path)
    Journal(run.journal).close()
    assert FileControl(run, interactive=False).ask("Which?", ["a", "b"], "b") is None
    assert [event["event"] for event in events_of(run)] == ["asked", "answered"]
    identity.claim(run, "lab")
    send(run, Command.ANSWER, "stale")

    def answer(event: dict[str, object]) -> None:
        if event["event"] == "asked":
            send(run, Command.ANSWER, " B ")

    control = FileControl(run, interactive=True, listen=answer)
    assert control.ask("Which?", ["a", "b"], "b") == " B "
    assert events_of(run)[-1]["right"] is True


STEP = Step("promote", "promote pg2", "because", lambda _: "")


def test_commands_come_before_the_step_they_are_meant_for(tmp_path: Path) -> None:
    run = Run(tmp_path)
    Journal(run.journal).close()
    identity.claim(run, "lab")
    control = FileControl(run, interactive=False)
    control.before(STEP, "")
    assert events_of(run) == []
    send(run, Command.PAUSE)
    send(run, Command.RESUME)
    control.before(STEP, "")
    assert events_of(run) == [], "resumed before it came to wait"
    send(run, Command.STEP)
    control.before(STEP, "")
    assert events_of(run) == [], "one step, before it came to wait"


def test_an_interactive_run_waits_before_each_step(tmp_path: Path) -> None:
    run = Run(tmp_path)
    identity.claim(run, "lab")

    def go_on(event: dict[str, object]) -> None:
        if event["event"] == "paused":
            send(run, Command.RESUME)

    control = FileControl(run, interactive=True, listen=go_on)
    control.before(STEP, "failover")
    control.before(STEP, "failover")
    assert [event["event"] for event in events_of(run)] == ["paused", "resumed"]
    assert events_of(run)[0]["part"] == "failover"


def test_a_run_does_not_wait_for_a_lab_that_is_gone(tmp_path: Path) -> None:
    run = Run(tmp_path)
    control = FileControl(run, interactive=True, gone=lambda: True)
    with pytest.raises(Aborted, match="the lab is gone"):
        control.before(STEP, "")


def test_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    tail = Tail(path)
    assert tail.news() == []
    path.write_bytes(b'{"event": "requested"}\n{"event": "runn')
    assert [event["event"] for event in tail.news()] == ["requested"]
    journal = Journal(path)  # a healer, after the writer was killed
    journal.write("healing", reason="its process died")
    journal.close()
    assert [event["event"] for event in tail.news()] == ["healing"]


def test_a_pid_of_somebody_else_is_not_signalled(tmp_path: Path) -> None:
    run = Run(tmp_path)
    other = subprocess.Popen(["sleep", "60"])
    try:
        started = psutil.Process(other.pid).create_time()
        run.engine.write_text(json.dumps({"pid": other.pid, "start_time": started - 3600, "lab": "lab"}))
        with pytest.raises(NotRunning):
            abort(run)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_an_engine_that_crashes_at_once_is_reported(
    base: Path, standing_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/proc/nowhere")
    with pytest.raises(PgReplTermError, match=r"ended before it began: .*engine\.log"):
        begin(standing_lab, "failover", base)
