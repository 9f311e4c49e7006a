"""Scenario files: what is wrong is said with its line and the nearest key, and the documentation has every key."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pgreplterm import cli
from pgreplterm.drill.scenario import catalogue
from pgreplterm.drill.scenario.document import TABLES, with_tables
from pgreplterm.drill.scenario.errors import ScenarioFileError
from pgreplterm.drill.scenario.file import read_scenario, read_text
from pgreplterm.drill.scenario.model import Level, Scenario
from pgreplterm.errors import ExitCode, PgReplTermError

Command = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "scenarios.md"
HEAD = """name = "mine"
[lab]
shape = "pg1(pg2, pg3)"
"""
STEP = """[[step]]
name = "one"
"""
HOLD = f"{STEP}hold = 1\n"


def read(text: str) -> Scenario:
    return read_text(text, Path("mine.toml"))


def complaint(text: str) -> str:
    with pytest.raises(ScenarioFileError) as caught:
        read(text)
    return str(caught.value)


def test_a_scenario_needs_a_name_a_lab_and_a_step() -> None:
    found = read(HEAD + HOLD)
    assert (found.name, found.title, found.level, found.number) == ("mine", "mine", Level.BEGINNER, None)
    assert [node.name for node in found.lab.nodes] == ["pg1", "pg2", "pg3"]
    assert found.backends == ("local", "docker")
    assert found.steps[0].verb.will == "look on for 1 s"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name = ", "mine.toml:1: expected TOML: "),
        (HOLD, "mine.toml: expected name, a word of a-z, 0-9 and -: it is missing"),
        ('name = "Mine"\n', "mine.toml:1: name is a word of a-z, 0-9 and -: found 'Mine'"),
        ('name = "mine"\n', "mine.toml: expected a table [lab]"),
        (HEAD, "mine.toml: expected tables [[step]], one a step: there is none"),
        (f'titel = "x"\n{HEAD}{HOLD}', "mine.toml:1: unknown key 'titel'; did you mean 'title'?"),
        (f'{HEAD}backend = "local"\n{HOLD}', "mine.toml:4: backend does not stand in a scenario: a run chooses it"),
        (f'{HEAD}synchronus = "*"\n{HOLD}', "mine.toml:4: unknown key 'synchronus' in [lab]; did you mean"),
        (f'{HEAD}synchronous = "pg4"\n{HOLD}', "mine.toml:4: synchronous: unknown node 'pg4'; did you mean "),
        ('name = "mine"\n[lab]\nshape = "pg1(pg2"\n', "mine.toml:3: shape, column 8: expected ',' or ')'"),
        (f"{HEAD}[load]\nrate = 0\n{HOLD}", "mine.toml:5: rate is a number above 0: found 0"),
        (f"{HEAD}[load]\nreaders = {{ pg9 = 1 }}\n{HOLD}", "mine.toml:5: unknown node 'pg9'; did you mean 'pg"),
        (f"{HEAD}[clients]\ncount = true\n{HOLD}", "mine.toml:5: count is a whole number from 1 to 20: found true"),
        (f"{HEAD}{STEP}", "mine.toml:4: a step has exactly one verb (fault, heal, "),
        (f'{HEAD}{STEP}fautl = "cut"\n', "mine.toml:6: unknown key 'fautl' in [[step]] one; did you mean 'fault'?"),
        (f'{HEAD}{STEP}hold = 1\nsql = "SELECT 1"\n', "mine.toml:4: a step has exactly one verb"),
        (f'{HEAD}{STEP}fault = "cutt"\nat = "pg2"\n', "mine.toml:6: unknown fault 'cutt'; did you mean 'cut'?"),
        (f'{HEAD}{STEP}fault = "cut"\n', "mine.toml:4: expected at, a node of the lab"),
        (f'{HEAD}{STEP}fault = "cut"\nat = "pg22"\n', "mine.toml:7: unknown node 'pg22'; did you mean 'pg2'?"),
        (f'{HEAD}{STEP}fault = "cut"\nat = "pg2<-pg9"\n', "mine.toml:7: unknown node 'pg9'; did you mean 'pg"),
        (
            f'{HEAD}{STEP}fault = "latency"\nat = "pg2"\nwith = {{ latncy = 1 }}\n',
            "mine.toml:8: unknown option 'latncy' of the fault latency; did you mean 'latency'?",
        ),
        (
            f'{HEAD}{STEP}fault = "latency"\nat = "pg2"\n[step.with]\nlatency = "1s"\n',
            "mine.toml:9: latency is a number of s: found '1s'",
        ),
        (f'{HEAD}{STEP}heal = "cut"\n', "mine.toml:6: unknown fault 'cut' to heal here; there are all"),
        (f'{HEAD}{STEP}drill = "failovr"\n', "mine.toml:6: unknown drill 'failovr'; did you mean 'failover'?"),
        (
            f'{HEAD}{STEP}drill = "failover"\nwith = {{ failre = "kill" }}\n',
            "mine.toml:7: unknown option 'failre' of the drill failover; did you mean 'failure'?",
        ),
        (f'{HEAD}{STEP}sql = "SELECT 1"\nfails = "x"\n', "mine.toml:7: fails is a SQLSTATE such as"),
        (f'{HEAD}{STEP}sql = "SELECT 1"\nsave = "A b"\n', "mine.toml:7: save is the key of a figure: found 'A b'"),
        (
            f'{HEAD}{STEP}sql = "SELECT 1"\nsave = "a"\nbackground = true\n',
            "mine.toml:7: save does not go with background = true",
        ),
        (f'{HEAD}{STEP}wait = "steaming"\n', "mine.toml:6: unknown condition 'steaming'; did you mean 'streaming'?"),
        (f'{HEAD}{STEP}wait = "lag"\n', "mine.toml:4: the condition lag has either above or below"),
        (
            f'{HEAD}{STEP}wait = "down"\nwith = {{ at = "pg7" }}\n',
            "mine.toml:7: unknown node 'pg7'; did you mean 'pg",
        ),
        (
            f'{HEAD}{STEP}wait = "background"\nwith = {{ step = "two" }}\n',
            "mine.toml:7: unknown step with background = true 'two'; there are none",
        ),
        (f'{HEAD}{STEP}measure = "lagg"\n', "mine.toml:6: unknown measure 'lagg'; did you mean 'lag'?"),
        (
            f'{HEAD}{STEP}measure = "lag-peak"\nwith = {{ sinc = "start" }}\n',
            "mine.toml:7: unknown option 'sinc' of the measure lag-peak; did you mean 'since'?",
        ),
        (
            f'{HEAD}{STEP}measure = "lag-peak"\nwith = {{ since = "calm" }}\n',
            "mine.toml:7: unknown moment 'calm': a stage, or one of these; there are start, fault, heal",
        ),
        (f'{HEAD}{STEP}ask = "?"\nanswers = ["a", "b"]\nright = "c"\n', "mine.toml:8: unknown answer 'c'; there are"),
        (f"{HEAD}{STEP}set = {{ port = 1 }}\n", "mine.toml:6: port cannot be set: "),
        (f'{HEAD}{STEP}node = "destroy"\nat = "pg1"\n', 'mine.toml:6: node is "stop", "start", '),
        (f"{HEAD}{HOLD}{HOLD}", "mine.toml:8: two steps are called 'one'"),
        (f'{HEAD}{STEP}stage = "heal"\nhold = 1\n', "mine.toml:6: a measure has another meaning for the stage 'heal'"),
        (f'{HEAD}{HOLD}[[expect]]\nfigure = "lost"\n', "mine.toml:7: expected one of is, is_not, at_least"),
        (f'{HEAD}{HOLD}[[expect]]\nfigure = "lost"\nis = 0\n', "mine.toml:8: unknown figure 'lost': no step measures"),
        (
            f'{HEAD}{STEP}measure = "lag"\n[[expect]]\nfigure = "lag_byte:pg2"\nis = 0\n',
            "mine.toml:8: unknown figure 'lag_byte:pg2': no step measures or saves it; did you mean 'lag_bytes:pg2'?",
        ),
        (
            f'{HEAD}{STEP}measure = "lag"\n[[expect]]\nfigure = "lag_bytes:pg5"\nis = 0\n',
            "mine.toml:8: unknown node 'pg5' in lag_bytes:pg5; did you mean ",
        ),
        (f'figures = ["x"]\n{HEAD}{HOLD}', "mine.toml:1: unknown figure 'x': no step measures or saves it"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(text: str, expected: str) -> None:
    said = complaint(text)
    assert said.startswith(expected), said
    assert "\n" not in said


def test_hostile_text_of_a_file_is_shown_harmless() -> None:
    said = complaint(f'{HEAD}{STEP}"\\u001b[31m" = 1\n')
    assert "\x1b" not in said


def test_a_node_that_a_drill_adds_may_be_named_afterwards() -> None:
    adds = f'{STEP}drill = "add-standby"\n'
    follows = '[[step]]\nname = "two"\nwait = "streaming"\nwith = { at = "pg4" }\n'
    assert len(read(HEAD + adds + follows).steps) == 2
    assert "unknown node 'pg4'" in complaint(HEAD + follows + adds)
    named = adds + 'with = { name = "pg7" }\n'
    assert "unknown node 'pg4'" in complaint(HEAD + named + follows)


def test_what_a_step_has_saved_may_be_a_drills_argument() -> None:
    save = '[[step]]\nname = "two"\nsql = "SELECT now()"\nsave = "moment"\n'
    recover = f'{STEP}drill = "pitr"\nwith = {{ target = "{{moment}}" }}\n'
    assert len(read(HEAD + save + recover).steps) == 2
    assert "unknown figure 'moment' in target: no step before saves it" in complaint(HEAD + recover + save)


def test_every_table_of_the_documentation_is_what_the_code_has() -> None:
    """`python -m pgreplterm.drill.scenario.document docs/scenarios.md` writes them anew."""
    page = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"<!-- table: (\w+) -->", page)) == set(TABLES)
    assert page == with_tables(page)


def test_the_example_of_the_documentation_is_a_scenario() -> None:
    page = PAGE.read_text(encoding="utf-8")
    example = page.partition("This is a whole scenario:\n\n")[2].partition("\n\nShort steps")[0]
    found = read(re.sub(r"(?m)^    ", "", example))
    assert (found.name, len(found.steps), len(found.expectations)) == ("short-outage", 4, 1)


def test_ours_are_whole() -> None:
    ours = catalogue.course()
    assert len({each.name for each in ours}) == len(ours)
    for each in ours:
        assert each.summary and each.teaches and each.mysql and each.figures and each.expectations, each.name
        assert any(step.explain for step in each.steps), each.name
        number = f"{each.number:02}-" if each.number is not None else ""
        assert each.path.name == f"{number}{each.name}.toml"


class TestCatalogue:
    @pytest.fixture
    def run(self, capfd: pytest.CaptureFixture[str]) -> Command:
        def command(*words: str) -> tuple[int, str, str]:
            capfd.readouterr()
            code = cli.run(words)
            return code, *capfd.readouterr()

        return command

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        monkeypatch.setenv(catalogue.VARIABLE, str(tmp_path / "more"))
        (tmp_path / "more").mkdir()
        (tmp_path / "config" / "pgreplterm" / "scenarios").mkdir(parents=True)
        return tmp_path

    def test_one_is_found_by_number_name_file_and_path(self) -> None:
        five = catalogue.find("5")
        assert five == catalogue.find("05") == catalogue.find("network-interruption")
        assert five == catalogue.find("05-network-interruption")
        assert catalogue.find(str(ROOT / "scenarios" / "05-network-interruption.toml")).name == five.name
        with pytest.raises(PgReplTermError, match=r"did you mean 'network-interruption'\?"):
            catalogue.find("network-interuption")

    def test_those_of_the_user_are_found_in_both_folders(self, folder: Path) -> None:
        (folder / "more" / "a.toml").write_text(HEAD + HOLD)
        own = folder / "config" / "pgreplterm" / "scenarios" / "b.toml"
        own.write_text(HEAD.replace("mine", "own") + HOLD)
        assert catalogue.find("mine").path == folder / "more" / "a.toml"
        assert catalogue.find("own").path == own

    def test_none_of_the_user_takes_the_place_of_one_of_ours(self, folder: Path, run: Command) -> None:
        theirs = folder / "more" / "mine.toml"
        theirs.write_text(HEAD.replace("mine", "network-interruption") + HOLD)
        (folder / "more" / "broken.toml").write_text("name = 1\n")
        assert catalogue.find("network-interruption").number == 5
        assert catalogue.find(str(theirs)).number is None
        code, _, narration = run("scenario", "ls")
        assert code == ExitCode.OK
        assert f"{theirs}: there is a scenario 'network-interruption' already" in narration
        assert "broken.toml:1: name is a word" in narration

    def test_check_names_the_line_and_exits_2(self, folder: Path, run: Command) -> None:
        path = folder / "wrong.toml"
        path.write_text(f"{HEAD}{STEP}hodl = 1\n")
        code, out, narration = run("scenario", "check", str(path))
        assert (code, out) == (ExitCode.USAGE, "")
        assert f"{path}:6: unknown key 'hodl' in [[step]] one; did you mean 'hold'?" in narration
        path.write_text(HEAD + HOLD)
        assert run("scenario", "check", str(path))[1] == f"{path}: mine, 1 step, 0 expectations\n"

    def test_show_prints_steps_the_mysql_note_and_the_file(self, run: Command) -> None:
        told = run("scenario", "show", "5")[1]
        assert "inject cut at pg2" in told
        assert "In MySQL" not in told
        assert "In MySQL" in run("scenario", "show", "5", "--mysql")[1]
        path = ROOT / "scenarios" / "05-network-interruption.toml"
        assert run("scenario", "show", "05", "--toml")[1] == path.read_text(encoding="utf-8")
        assert read_scenario(path).steps[0].name in told
