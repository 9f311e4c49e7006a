"""Every drill leaves a recording of itself beside its report, with a mark for each thing it narrated."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pgreplterm.drill.report import as_markdown, as_text, save
from pgreplterm.drill.run import narration, run_failover
from pgreplterm.errors import DrillFailed, ExitCode
from pgreplterm.lab.lab import Lab
from pgreplterm.recording.reader import Recording

Event = dict[str, Any]


def marks_and_primaries(path: Path) -> tuple[list[str], list[list[str]]]:
    with Recording(path) as recording:
        assert recording.is_closed and recording.damage is None
        snapshots = [recording.snapshot(number) for number in range(len(recording))]
        return [mark.text for mark in recording.marks], [[one.name for one in each.primaries] for each in snapshots]


def test_a_drill_is_recorded_beside_its_report(lab: Lab, tmp_path: Path) -> None:
    events: list[Event] = []
    report = run_failover(lab, tmp_path / "journal.jsonl", events.append, tmp_path / "reports")
    as_json, as_md = save(report, tmp_path / "reports")
    path = as_json.with_name("recording")
    assert report.recording == str(path)
    assert json.loads(as_json.read_text())["recording"] == str(path)
    assert f"pgreplterm replay {path}" in as_text(report)
    assert f"pgreplterm replay {path}" in as_markdown(report) == as_md.read_text()
    assert path.stat().st_mode & 0o777 == 0o600

    marks, primaries = marks_and_primaries(path)
    told = [line.strip() for line in map(narration, events) if line]
    assert marks == [*told, "the drill is done"]
    assert primaries[0] == ["pg1"] and primaries[-1] == [report.promoted] and [] in primaries
    with Recording(path) as recording:
        promoted = next(mark for mark in recording.marks if mark.text.startswith("promote: "))
        assert [one.name for one in recording.snapshot(promoted.frame).primaries] == [report.promoted]
        assert recording.about.title == lab.name

    status = [sys.executable, "-m", "pgreplterm", "status", "--replay", path, "--at", "promote: ", "--json"]
    shown = json.loads(subprocess.run(status, capture_output=True, check=False).stdout)
    assert [node["name"] for node in shown["nodes"] if node["role"] == "primary"] == [report.promoted]


def test_a_drill_that_fails_is_recorded_to_its_end(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgreplterm.drill.failover.PATIENCE", 1.0)
    lab.stop("pg2")
    lab.stop("pg3")
    try:
        with pytest.raises(DrillFailed):
            run_failover(lab, tmp_path / "journal.jsonl", lambda _: None)
    finally:
        lab.start("pg2")
        lab.start("pg3")
    marks, _ = marks_and_primaries(tmp_path / "journal.recording")
    assert marks[0] == "preflight ..." and marks[-1].startswith("the drill failed: expected one primary")


def test_no_room_for_a_recording_is_no_reason_to_fail(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file where a folder should be")
    events: list[Event] = []
    report = run_failover(lab, tmp_path / "journal.jsonl", events.append, tmp_path / "reports")
    assert report.recording is None
    first = next(event for event in events if event["event"] == "recording")
    assert first["path"] is None and "Not a directory" in first["detail"]


def test_the_command_says_where(lab: Lab, tmp_path: Path) -> None:
    command = ["drill", "run", "failover", "--lab", lab.name, "--yes", lab.name, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "pgreplterm", *command, "--report-dir", tmp_path, "--journal", tmp_path / "j.jsonl"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == ExitCode.OK, done.stderr
    path = Path(json.loads(done.stdout)["recording"])
    assert path.name == "recording" and path.with_name("report.json").exists()
    assert "the drill is done" in marks_and_primaries(path)[0]
