"""The fault commands: what they print, and their exit codes. In this process, which saves a second a command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pgreplterm import cli
from pgreplterm.lab.faults import record, registry
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.places import ENVIRONMENT_VARIABLE
from tests.conftest import _maker


@pytest.fixture(scope="module")
def standing(lab_root: Path) -> Iterator[Lab]:
    for make in _maker():
        yield make(standbys=1)


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs commands on one lab."""

    lab: Lab
    streams: pytest.CaptureFixture[str]

    def run(self, *words: str) -> Done:
        self.streams.readouterr()
        code = cli.run(words)
        out, err = self.streams.readouterr()
        return Done(code, out, err)

    def fault(self, *words: str) -> Done:
        return self.run("fault", *words, "--lab", self.lab.name)


@pytest.fixture
def shell(standing: Lab, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(standing, capsys)


def one_sentence(done: Done) -> str:
    (line,) = done.stderr.splitlines()
    return line


def test_the_commands_from_ls_to_heal(shell: Shell) -> None:
    catalogue = json.loads(shell.fault("ls", "--json").stdout)
    assert [each["name"] for each in catalogue["faults"]] == [each.name for each in registry.ALL]
    first = catalogue["faults"][0]
    assert set(first) == {"name", "aim", "effect", "undoing", "options", "unavailable"}
    assert first["unavailable"] == {"pg1": None, "pg2": None}
    injected = shell.fault("inject", "freeze", "pg2", "--wait")
    assert injected.returncode == 0, injected.stderr
    assert "1: all processes of pg2 are stopped where they are" in injected.stdout
    assert "s: pg2 is silent" in injected.stdout
    again = shell.fault("inject", "freeze", "pg2")
    assert (again.returncode, again.stdout) == (2, "")
    assert "pg2 already has the fault freeze (number 1)" in one_sentence(again)
    (active,) = json.loads(shell.fault("ls", "--json").stdout)["active"]
    assert {key: active[key] for key in ("number", "fault", "target", "stage", "until", "overdue", "error")} == {
        "number": 1,
        "fault": "freeze",
        "target": "pg2",
        "stage": "injected",
        "until": None,
        "overdue": None,
        "error": None,
    }
    text = shell.fault("ls").stdout
    assert "not at pg2: pg2 is frozen already" in shell.fault("ls", "stop").stdout
    assert "  1: freeze at pg2, " in text
    status = shell.run("lab", "status", shell.lab.name)
    assert "1: freeze at pg2, " in status.stderr
    document = json.loads(shell.run("lab", "status", shell.lab.name, "--json").stdout)
    assert [each["fault"] for each in document["faults"]] == ["freeze"]
    healed = shell.fault("heal", "1")
    assert (healed.returncode, healed.stdout) == (0, "fault 1 (freeze) is healed: pg2 continues\n")
    assert "No fault is active" in shell.fault("ls").stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("inject", "freez", "pg2"), "there is no fault 'freez'; did you mean 'freeze'?"),
        (("inject", "freeze", "pg9"), "has pg1, pg2, found 'pg9'"),
        (("inject", "latency", "pg2", "-o", "latency=much"), "expected -o KEY=NUMBER"),
        (("inject", "latency", "pg2", "-o", "latency=0.1", "-o", "jitter=1"), "jitter must be at most the latency"),
        (("inject", "bandwidth", "pg2", "-o", "rate=0"), "bandwidth must be a whole number of bytes a second"),
        (("inject", "freeze", "pg2", "--for", "-1"), "a fault lasts more than 0"),
        (("heal",), "expected the numbers of the faults to heal, or --all"),
        (("heal", "1", "--all"), "expected the numbers of the faults to heal, or --all"),
        (("heal", "7"), "has no fault 7: it has none"),
    ],
)
def test_a_wrong_word_is_one_sentence_and_changes_nothing(shell: Shell, words: tuple[str, ...], complaint: str) -> None:
    refused = shell.fault(*words)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert complaint in one_sentence(refused)
    assert record.read_all(shell.lab.directory) == ()


def test_a_fault_that_cannot_be_healed_is_a_finding(shell: Shell) -> None:
    assert shell.fault("inject", "refuse", "pg2").returncode == 0
    path = shell.lab.directory / record.FOLDER / "1.json"
    path.write_text(path.read_text().replace('"refuse"', '"of another version"'))
    failed = shell.fault("heal", "--all")
    assert failed.returncode == 1
    assert "fault 1 (of another version) is not healed: there is no fault 'of another version'" in failed.stderr
    listed = shell.fault("ls").stdout
    assert "left while healing; not healed: there is no fault" in listed
    path.write_text(path.read_text().replace('"of another version"', '"refuse"'))
    assert shell.fault("heal", "--all").returncode == 0


def test_without_a_lab_the_faults_are_listed_all_the_same(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    listed = shell.run("fault", "ls")
    assert listed.returncode == 0
    assert "There is no lab" in listed.stdout
    told = shell.run("fault", "ls", "latency").stdout
    assert told.startswith("latency\n")
    assert "-o jitter=0.05 (s)" in told
    assert "there is no fault 'latencie'; did you mean 'latency'?" in one_sentence(shell.run("fault", "ls", "latencie"))
    missing = shell.run("fault", "ls", "--lab", "nowhere")
    assert missing.returncode == 2
    assert "no lab named 'nowhere'" in one_sentence(missing)
