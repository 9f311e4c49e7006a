"""Every drill leaves a recording of itself beside its report, with a mark for each thing it narrated."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pgreplterm.drill.narration import narration
from pgreplterm.drill.report.markdown import as_markdown
from pgreplterm.drill.report.model import Report
from pgreplterm.drill.report.store import save
from pgreplterm.drill.report.text import as_text
from pgreplterm.drill.request import Kind, Request
from pgreplterm.drill.run import run
from pgreplterm.drill.runs import Run, new_run
from pgreplterm.errors import DrillFailed, ExitCode
from pgreplterm.lab.lab import Lab
from pgreplterm.recording.reader import Recording

Event = dict[str, Any]


def failover(lab: Lab, base: Path) -> tuple[Report, Run, list[Event]]:
    events: list[Event] = []
    place = new_run(base, "failover", lab.name, time.time())
    return run(Request(Kind.DRILL, "failover", lab.name), place, events.append), place, events


def primary_of(report: Report) -> str:
    assert report.after is not None
    return str(next(node["name"] for node in report.after["nodes"] if node["role"] == "primary"))


def marks_and_primaries(path: Path) -> tuple[list[str], list[list[str]]]:
    with Recording(path) as recording:
        assert recording.is_closed and recording.damage is None
        snapshots = [recording.snapshot(number) for number in range(len(recording))]
        return [mark.text for mark in recording.marks], [[one.name for one in each.primaries] for each in snapshots]


def test_a_drill_is_recorded_beside_its_report(lab: Lab, tmp_path: Path) -> None:
    report, place, events = failover(lab, tmp_path)
    as_json, as_md, _ = save(report, place)
    path = place.recording
    assert report.files["recording"] == str(path)
    assert json.loads(as_json.read_text())["files"]["recording"] == str(path)
    assert f"pgreplterm replay {path}" in as_text(report, None)
    assert f"pgreplterm replay {path}" in as_markdown(report) == as_md.read_text()
    assert path.stat().st_mode & 0o777 == 0o600

    promoted = primary_of(report)
    marks, primaries = marks_and_primaries(path)
    told = [line.strip() for line in map(narration, events) if line]
    assert marks == [*told, "the drill is done"]
    assert primaries[-1] == [promoted] and ["pg1"] in primaries and [] in primaries
    with Recording(path) as recording:
        mark = next(mark for mark in recording.marks if mark.text.startswith("promote: "))
        assert [one.name for one in recording.snapshot(mark.frame).primaries] == [promoted]
        assert recording.about.title == lab.name

    status = [sys.executable, "-m", "pgreplterm", "status", "--replay", path, "--at", "promote: ", "--json"]
    shown = json.loads(subprocess.run(status, capture_output=True, check=False).stdout)
    assert [node["name"] for node in shown["nodes"] if node["role"] == "primary"] == [promoted]


def test_a_drill_that_fails_is_recorded_to_its_end(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise DrillFailed("broken on purpose")

    monkeypatch.setattr("pgreplterm.drill.procedures.failover.promote", broken)
    with pytest.raises(DrillFailed, match="broken on purpose"):
        failover(lab, tmp_path)
    (place,) = tmp_path.iterdir()
    marks, primaries = marks_and_primaries(place / "recording")
    assert marks[0] == "start prober ..." and marks[-1] == "the drill failed: broken on purpose"
    assert primaries[-1] == ["pg1"]


def test_no_room_for_a_recording_is_no_reason_to_fail(lab: Lab, tmp_path: Path) -> None:
    place = new_run(tmp_path, "failover", lab.name, time.time())
    place.recording.write_text("a file where a recording should be")
    events: list[Event] = []
    report = run(Request(Kind.DRILL, "failover", lab.name), place, events.append)
    assert "recording" not in report.files
    first = next(event for event in events if event["event"] == "recording")
    assert first["path"] is None and first["detail"]


def test_the_command_says_where(lab: Lab, tmp_path: Path) -> None:
    command = ["drill", "run", "failover", "--lab", lab.name, "--yes", lab.name, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "pgreplterm", *command, "--report-dir", tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == ExitCode.OK, done.stderr
    path = Path(json.loads(done.stdout)["files"]["recording"])
    assert path.name == "recording" and path.with_name("report.json").exists()
    assert "the drill is done" in marks_and_primaries(path)[0]
