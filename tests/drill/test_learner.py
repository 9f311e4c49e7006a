"""The learner's log, what follows from it, and its forms."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pgreplterm.cli.scenario_progress import note as note_command
from pgreplterm.cli.scenario_progress import progress as progress_command
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.learner import log
from pgreplterm.drill.learner.model import COURSE, Finished, Level, Note, level_of
from pgreplterm.drill.learner.pages import as_document, as_markdown, as_text, headline
from pgreplterm.drill.learner.summary import measured, progress
from pgreplterm.drill.report.model import Outcome
from pgreplterm.drill.runs import Run
from pgreplterm.errors import PgReplTermError
from tests.drill.report_sample import BEGAN, sample

_HOUR = 3600.0


def _run(number: int | None, at: float = 0.0, seconds: float = 10.0, **changes: object) -> Finished:
    figures = {"downtime_seconds": Figure("downtime_seconds", "Downtime", seconds / 10, "s", "by the clients")}
    known = {
        "name": f"scenario-{number}",
        "outcome": Outcome.PASSED,
        "started_at": BEGAN + at,
        "finished_at": BEGAN + at + seconds,
        "number": number,
        "backend": "local",
        "server_version": "18.1",
        "figures": figures,
    }
    return Finished(**{**known, **changes})  # type: ignore[arg-type]


def _whole_course() -> list[Finished]:
    return [_run(lesson.number, lesson.number * 60) for lesson in COURSE]


def test_a_log_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "progress.jsonl"
    assert log.read(path).entries == ()
    entries: list[Finished | Note] = [
        _run(5),
        Note("scenario-5", "slots\nfill the disk", BEGAN, 5),
        _run(None, name="mine"),
    ]
    for entry in entries:
        log.append(entry, path)
    assert list(log.read(path).entries) == entries
    assert log.read(path).damaged == ()


def test_a_report_is_recorded_with_its_figures(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    log.record(sample(), Run(tmp_path / "run"), 5, "intermediate", "the disk pays", path)
    (found,) = log.read(path).entries
    assert isinstance(found, Finished)
    assert (found.number, found.run, found.seconds) == (5, str(tmp_path / "run"), 90.0)
    assert list(found.figures.values()) == list(sample().figures)


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    log.append(_run(1), path)
    log.append(_run(2), path)
    path.write_bytes(path.read_bytes()[:-25])
    log.append(_run(3), path)
    with path.open("ab") as file:
        file.write(b'{"entry": "later-kind"}\n[]\n\xff\xfe\n{"entry":"run","outcome":"fine","name":"x"}\n')
    found = log.read(path)
    assert [entry.number for entry in found.entries] == [1, 3]
    assert found.damaged == (2, 4, 5, 6, 7)


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    program = (
        "import sys; from pathlib import Path; from pgreplterm.drill.learner import log;"
        "from pgreplterm.drill.learner.model import Note\n"
        "for number in range(40): log.append(Note(sys.argv[2], 'word ' * 500, float(number)), Path(sys.argv[1]))"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path), f"writer-{n}"]) for n in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    found = log.read(path)
    assert found.damaged == ()
    for n in range(3):
        own = [entry.at for entry in found.entries if isinstance(entry, Note) and entry.name == f"writer-{n}"]
        assert own == [float(number) for number in range(40)]


def test_a_log_that_cannot_be_read_or_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PgReplTermError, match="expected the log of what you have done; Is a directory"):
        log.read(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(PgReplTermError, match=r"expected to append to the log .* Set XDG_STATE_HOME"):
        log.append(_run(1), tmp_path / "file" / "progress.jsonl")


def test_levels_follow_the_numbers() -> None:
    assert [str(level_of(number)) for number in (1, 3, 4, 6, 7, 10, 11, None)] == [
        "beginner", "beginner", "intermediate", "intermediate", "advanced", "advanced", "beyond", "beyond",
    ]  # fmt: skip


def test_only_a_run_that_passed_counts() -> None:
    found = progress(
        [_run(1), _run(2, outcome=Outcome.FAILED), _run(3, outcome=Outcome.INCONCLUSIVE), _run(None, name="x")]
    )
    assert headline(found) == "1 of 10 done: beginner 1 of 3, intermediate 0 of 3, advanced 0 of 4"
    assert not found.complete
    assert found.completed_at is None
    assert [each.name for each in found.of(Level.BEYOND)] == ["x"]
    assert [(each.number, each.done) for each in found.of(Level.BEGINNER)] == [(1, True), (2, False), (3, False)]


def test_the_last_and_the_best_run_and_figure() -> None:
    rate = Figure("rate", "Rate", 100, "rows/s", "")
    runs = [
        _run(4, 0, 30.0, figures={"rate": rate, "lost": Figure("lost", "Lost", 3, "rows", "")}),
        _run(4, _HOUR, 20.0, figures={"rate": Figure("rate", "Rate", 80, "rows/s", "")}),
        _run(4, 2 * _HOUR, 25.0, figures={"rate": Figure("rate", "Rate", None, "rows/s", ""), "lost": rate}),
        _run(4, 3 * _HOUR, 5.0, outcome=Outcome.FAILED),
    ]
    (standing,) = [each for each in progress(runs).course if each.number == 4]
    assert standing.best == runs[1]
    assert standing.last == runs[2]
    assert [(each.last.value, each.best.value if each.best else None) for each in measured(standing)] == [
        (None, 100),
        (100, 100),
    ]
    seconds = progress([_run(1, 0, 10.0), _run(1, _HOUR, 20.0)]).course[0]
    assert [(each.last.value, each.best.value if each.best else None) for each in measured(seconds)] == [(2.0, 1.0)]


def test_the_text_fits_eighty_columns_and_names_what_is_left() -> None:
    entries: list[Finished | Note] = [
        _run(5, title="Network interruption"),
        Note("scenario-5", "the disk pays " * 9, BEGAN, 5),
    ]
    text = as_text(progress(entries))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert re.search(r"05 Network interruption +passed +2026-11-21, took 10 s, 1 run", text)
    assert re.search(r"10 Disaster recovery drill +not yet", text)
    assert "complete" not in text


def test_the_closing_page_comes_with_the_tenth() -> None:
    runs = _whole_course()
    assert "The course is complete" not in as_text(progress(runs[:-1]))
    found = progress([*runs, Note("scenario-8", "quorum = promise", BEGAN, 8)])
    text = as_text(found)
    assert "The course is complete, since 2026-11-21 20:11:40 UTC." in text
    closing = text.partition("The course is complete")[2]
    assert all(f"{lesson.number:02} {lesson.title}" in closing for lesson in COURSE)
    assert closing.count("Taught: ") == 10
    assert len(re.findall(r"Downtime +1.00 s +best 1.00 s", closing)) == 10
    assert "quorum = promise" in closing
    assert found.completed_at == runs[-1].finished_at


def test_markdown_and_json_have_everything_and_no_markup_of_others() -> None:
    hostile = Note("scenario-2", "<script>x</script> | `y`\n# head\x1b[1m", BEGAN, 2)
    found = progress([_run(2), hostile, Note("mine", "own", BEGAN)])
    page = as_markdown(found)
    assert "<script" not in page
    assert "\x1b" not in page
    assert not re.search(r"^# head", page, re.MULTILINE)
    assert "| Downtime | 1.00 s | 1.00 s | by the clients |" in page
    assert "## mine" in page
    document = json.loads(json.dumps(as_document(found)))
    assert document["levels"]["beginner"] == {"done": 1, "of": 3}
    scenario = document["scenarios"][1]
    assert scenario["runs"][0]["figures"]["downtime_seconds"]["value"] == 1.0
    assert scenario["notes"] == [{"at": BEGAN, "text": hostile.text}]
    assert len(document["scenarios"]) == 11


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of our own; its log."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "pgreplterm" / "progress.jsonl"


def test_notes_and_progress_on_the_command_line(state: Path, tmp_path: Path) -> None:
    log.append(_run(5, name="network-interruption"))
    told = CliRunner().invoke(note_command, ["network-interruption", "the disk pays"])
    assert (told.exit_code, log.read().entries[-1].number) == (0, 5)
    assert CliRunner().invoke(note_command, ["8", "a quorum promises"]).exit_code == 0
    shown = CliRunner().invoke(progress_command, [])
    assert shown.exit_code == 0
    assert "1 of 10 done" in shown.stdout
    assert "a quorum promises" in shown.stdout
    assert json.loads(CliRunner().invoke(progress_command, ["--json"]).stdout)["done"] == 1
    assert CliRunner().invoke(progress_command, ["--markdown", "-"]).stdout.startswith("# Replication course")
    page = tmp_path / "page.md"
    assert CliRunner().invoke(progress_command, ["--markdown", str(page)]).exit_code == 0
    assert "the disk pays" in page.read_text()


def test_a_note_on_nothing_there_is_refused(state: Path) -> None:
    for name, text in (("netwrok", "x"), ("77", "x"), ("5", "  ")):
        told = CliRunner().invoke(note_command, [name, text])
        assert isinstance(told.exception, PgReplTermError), name
        assert "\n" not in str(told.exception)
    assert not state.exists()


def test_a_damaged_line_is_told_and_the_rest_is_shown(state: Path) -> None:
    log.append(_run(1))
    with state.open("a") as file:
        file.write('{"entry":')
    shown = CliRunner().invoke(progress_command, [])
    assert "1 of 10 done" in shown.stdout
    assert "line 2 of" in shown.stderr


def test_a_writer_killed_at_any_moment_costs_at_most_one_line(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    program = (
        "import sys, itertools; from pathlib import Path; from pgreplterm.drill.learner import log;"
        "from pgreplterm.drill.learner.model import Note\n"
        "for n in itertools.count():\n"
        "    log.append(Note('w', 'word ' * 500, float(n)), Path(sys.argv[1]))\n"
        "    n == 20 and print(flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        os.kill(writer.pid, signal.SIGKILL)
    log.append(_run(1), path)
    found = log.read(path)
    assert len(found.damaged) <= 1
    assert found.entries[-1] == _run(1)
