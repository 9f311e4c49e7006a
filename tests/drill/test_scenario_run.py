"""Scenarios that run: every verb on both backends, the verdict, and that nothing is left however one ends."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pgreplterm import cli
from pgreplterm.drill.control import Aborted, Unattended
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.learner import log
from pgreplterm.drill.procedure import Step
from pgreplterm.drill.report.model import Outcome, Report
from pgreplterm.drill.request import Kind, Request
from pgreplterm.drill.run import run
from pgreplterm.drill.runs import Run
from pgreplterm.drill.scenario import catalogue
from pgreplterm.drill.scenario.conditions import BY_NAME
from pgreplterm.drill.scenario.expectation import judge
from pgreplterm.drill.scenario.file import read_scenario
from pgreplterm.drill.scenario.model import Comparison, Expect
from pgreplterm.drill.scenario.runner import BUILD, REMOVE, judged
from pgreplterm.drill.scenario.verbs.waiting import Await
from pgreplterm.errors import DrillFailed, ExitCode, PgReplTermError
from pgreplterm.lab import places
from pgreplterm.lab.backend import Kind as Backend
from pgreplterm.lab.lab import Lab

FOLDER = Path(__file__).parent
EVERY_VERB = FOLDER / "every-verb.toml"
EVERY_CONDITION = FOLDER / "every-condition.toml"
Event = dict[str, Any]
_numbers = itertools.count(1)


class Played:
    """One scenario in this process; the events are there also when it failed."""

    def __init__(self, folder: Path) -> None:
        self.lab = f"s{os.getpid()}-{next(_numbers)}"
        self.run = Run(folder / self.lab)
        self.events: list[Event] = []

    def play(self, path: Path, backend: Backend = Backend.LOCAL, control: Any = None, keep: bool = False) -> Report:
        request = Request(Kind.SCENARIO, str(path), self.lab, backend=backend.value, keep=keep)
        return run(request, self.run, self.events.append, control)

    def details(self, step: str) -> list[str]:
        return [each["detail"] for each in self.events if each["event"] == "step_done" and each["step"] == step]


@pytest.fixture
def played(lab_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    played = Played(tmp_path)
    yield played
    names = [directory.name for directory in places.directories()]
    if played.lab in names:  # a failing test's
        Lab.load(played.lab).down()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """A scenario of a primary and one standby with these steps."""

    def written(steps: str, head: str = "") -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(f'name = "mine"\n{head}\nlab.shape = "pg1(pg2)"\n{steps}')
        return path

    return written


def gone(played: Played) -> bool:
    return played.lab not in [directory.name for directory in places.directories()]


def test_every_verb(played: Played, backend: Backend) -> None:
    report = played.play(EVERY_VERB, backend)
    assert (report.outcome, report.reason) == (Outcome.PASSED, "")
    assert (report.kind, report.name, report.backend) == ("scenario", "every-verb", backend.value)
    assert [each.holds for each in report.expectations] == [True] * 4
    assert all(check.allows for check in report.checks)
    assert gone(played)
    _assert_steps(played, report)
    _assert_measured(report)
    (line,) = log.read().entries
    assert line.name == "every-verb"


def test_every_condition(played: Played) -> None:
    report = played.play(EVERY_CONDITION)
    assert (report.outcome, report.reason) == (Outcome.PASSED, "")
    behind = report.figure("behind_seconds")
    assert behind is not None and isinstance(behind.value, float) and behind.unit == "s"
    assert "pg2 is" in behind.how and "behind at replay" in behind.how
    files = [EVERY_CONDITION, EVERY_VERB, *catalogue.our_folder().glob("*.toml")]
    verbs = [step.verb for path in files for step in read_scenario(path).steps]
    tried = {verb.condition.name for verb in verbs if isinstance(verb, Await)}
    assert tried == set(BY_NAME)


def _assert_steps(played: Played, report: Report) -> None:
    names = [each.name for each in report.steps]
    assert names[:3] == [BUILD, "start the load", "start the clients"]
    assert names[-3:] == ["settle", "count the clients' writes", "compare all nodes"]
    assert {each.part for each in report.steps} == {"", "failover"}
    assert all(each.outcome == "done" for each in report.steps)
    assert [mark.text for mark in report.marks if mark.kind == "stage"] == ["one", "two", "three"]
    assert next(mark.text for mark in report.marks if mark.kind == "fault") == "latency at pg2<-pg1"
    assert played.details("question") == ["nobody to ask; the answer is 'b': a is wrong"]
    assert played.events[-1]["event"] == "done"
    undos = {each["step"]: each["undo"] for each in played.events if each["event"] == "step_started" and each["undo"]}
    actions = {step: undo["action"] for step, undo in undos.items()}
    assert actions["slow link"] == "heal-faults"
    assert actions["a standby there is not"] == "restore-settings"
    assert (actions["stop pg3"], actions["another load"]) == ("start-node", "stop-load")


def _assert_measured(report: Report) -> None:
    """Each figure says how it was measured, and those of the drill and of the clients are among them."""
    assert all(each.how for each in report.figures)
    values = {each.key: each.value for each in report.figures}
    assert {"insert_seconds", "lag_seen_seconds", "peak_lag_bytes:pg2", "failover_downtime_seconds"} <= values.keys()
    assert values["insert_sqlstate:pg2"] == values["insert_sqlstate:pg3"] == "25006"
    assert isinstance(values["acknowledged"], int) and values["acknowledged"] > 0
    assert values["lost"] == 0
    curves = {curve.key for curve in report.curves}
    assert {"lag_bytes:pg2", "lag_bytes:pg3", "commits_per_second"} <= curves
    assert report.before is not None and report.after is not None


class TestAtTheEnd:
    def test_an_expectation_that_does_not_hold_fails_the_run(self, played: Played, write: Callable[..., Path]) -> None:
        steps = '[[step]]\nname = "one"\nsql = "SELECT 1"\nsave = "one"\n[[expect]]\nfigure = "one"\nis = 2\n'
        report = played.play(write(steps))
        assert (report.outcome, report.reason) == (Outcome.FAILED, "expected one is 2, found 1")
        assert gone(played)

    def test_a_step_that_fails_leaves_no_lab(self, played: Played, write: Callable[..., Path]) -> None:
        steps = '[[step]]\nname = "cut"\nfault = "cut"\nat = "pg2"\n[[step]]\nname = "bad"\nsql = "SELECT 1 / 0"\n'
        with pytest.raises(DrillFailed, match="pg1 answered 22012: division by zero"):
            played.play(write(steps))
        assert gone(played)
        assert played.details(REMOVE) == ["nothing of it is left"]
        assert (played.events[-1]["event"], played.events[-1]["healed"]) == ("failed", True)

    def test_an_abort_leaves_no_lab(self, played: Played, write: Callable[..., Path]) -> None:
        class AbortsBefore(Unattended):
            def before(self, step: Step, part: str) -> None:  # noqa: ARG002
                if step.name == "two":
                    raise Aborted("aborted by the user")

        steps = '[[step]]\nname = "one"\nnode = "kill"\nat = "pg1"\n[[step]]\nname = "two"\nhold = 60\n'
        with pytest.raises(PgReplTermError, match="aborted by the user"):
            played.play(write(steps), control=AbortsBefore())
        assert gone(played)

    def test_what_is_kept_is_whole(self, played: Played, write: Callable[..., Path]) -> None:
        steps = (
            '[[step]]\nname = "one"\nset = { work_mem = "5MB" }\n[[step]]\nname = "two"\nnode = "kill"\nat = "pg2"\n'
        )
        assert played.play(write(steps), keep=True).outcome is Outcome.PASSED
        lab = Lab.load(played.lab)
        assert all(lab.is_running(node.name) for node in lab.nodes)
        with lab.connection("pg1") as link:
            assert link.execute("SHOW work_mem").fetchone() == ("4MB",)
        lab.down()

    def test_a_failed_one_that_is_kept_is_made_whole(self, played: Played, write: Callable[..., Path]) -> None:
        steps = '[[step]]\nname = "one"\nnode = "kill"\nat = "pg1"\n[[step]]\nname = "bad"\nsql = "x"\non = "pg2"\n'
        with pytest.raises(DrillFailed):
            played.play(write(steps), keep=True)
        lab = Lab.load(played.lab)
        assert all(lab.is_running(node.name) for node in lab.nodes)
        lab.down()

    def test_an_answer_is_judged(self, played: Played, write: Callable[..., Path]) -> None:
        class Answers(Unattended):
            def ask(self, question: str, answers: Sequence[str], right: str | None) -> str | None:  # noqa: ARG002
                return answers[0]

        steps = '[[step]]\nname = "one"\nask = "?"\nanswers = ["a", "b"]\nright = "b"\n'
        played.play(write(steps), control=Answers())
        assert played.details("one") == ["answered 'a'; right is 'b'"]

    def test_a_backend_it_does_not_run_on_is_refused(self, played: Played, write: Callable[..., Path]) -> None:
        path = write('[[step]]\nname = "one"\nhold = 1\n', 'backends = ["docker"]')
        with pytest.raises(PgReplTermError, match="mine runs on docker, not on local: say --backend"):
            played.play(path)
        assert gone(played)


class TestVerdict:
    def figures(self, **values: Any) -> dict[str, Figure]:
        return {key: Figure(key, key, value, "", "so") for key, value in values.items()}

    @pytest.mark.parametrize(
        ("comparison", "value", "holds"),
        [
            (Comparison("is", 0), 0, True),
            (Comparison("is", 0), (), True),
            (Comparison("is", 2), (17, 18), True),
            (Comparison("is", True), 1, False),
            (Comparison("is", "x"), "x", True),
            (Comparison("is_not", 0), 1, True),
            (Comparison("is_not", 0), None, None),
            (Comparison("at_least", 3), 3, True),
            (Comparison("at_most", 3), 3.5, False),
            (Comparison("more_than", other="other"), 6, True),
            (Comparison("less_than", other="other"), 6, False),
            (Comparison("less_than", other="nobody"), 6, None),
            (Comparison("at_least", 3), "text", None),
            (Comparison("same_as", other="other"), 5, True),
            (Comparison("known", True), None, False),
            (Comparison("known", False), None, True),
            (Comparison("is", 0), None, None),
        ],
    )
    def test_a_comparison(self, comparison: Comparison, value: Any, holds: bool | None) -> None:
        figures = self.figures(it=value, other=5)
        (found,) = judge((Expect("it", (comparison,)),), figures, "local")
        assert (found.holds, found.found) == (holds, value)

    def test_one_of_another_backend_is_not_asked(self) -> None:
        assert judge((Expect("it", (Comparison("is", 0),), backends=("docker",)),), {}, "local") == ()

    def test_what_was_not_measured_is_inconclusive(self) -> None:
        report = Report("scenario", "x", "x", "", "lab", "local", "18", 0.0, 1.0, Outcome.PASSED)
        assert judged(report, ()).outcome is Outcome.PASSED
        found = judged(report, ("lag_bytes:pg2",))
        assert (found.outcome, found.reason) == (Outcome.INCONCLUSIVE, "not measured: lag_bytes:pg2")


def test_several_end_with_a_table(
    lab_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Through the command line and an engine of its own for each."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    paths = []
    for name, expected in (("good", 1), ("bad", 2)):
        paths.append(str(tmp_path / f"{name}.toml"))
        Path(paths[-1]).write_text(
            f'name = "{name}"\nlab.shape = "pg1"\n[[step]]\nname = "one"\nsql = "SELECT 1"\nsave = "one"\n'
            f'[[expect]]\nfigure = "one"\nis = {expected}\n'
        )
    code = cli.run(["scenario", "run", *paths, "--lab", f"s{os.getpid()}-many"])
    said = capfd.readouterr()
    assert code == ExitCode.DRILL_FAILED
    rows = [line.split() for line in said.out.splitlines()]
    assert rows[0] == ["SCENARIO", "OUTCOME", "SECONDS", "WHY"]
    assert [(row[0], row[1]) for row in rows[1:]] == [("good", "passed"), ("bad", "failed")]
    assert "expected one is 2, found 1" in said.out
    assert cli.run(["scenario", "report", paths[0], "--format", "json"]) == ExitCode.OK
    assert json.loads(capfd.readouterr().out)["outcome"] == "passed"
