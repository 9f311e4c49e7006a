"""A scenario as a new user would write it, from docs/scenarios.md alone: twenty lines, checked, run and judged."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pgreplterm import cli
from pgreplterm.errors import ExitCode

FILE = Path(__file__).parent / "sync-latency.toml"


def test_twenty_lines_measure_what_a_slow_link_costs_a_commit(
    lab_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert len(FILE.read_text(encoding="utf-8").splitlines()) <= 20
    assert cli.run(["scenario", "check", str(FILE)]) == ExitCode.OK
    capfd.readouterr()
    assert cli.run(["scenario", "run", str(FILE), "--lab", f"n{os.getpid()}", "--json"]) == ExitCode.OK
    report = json.loads(capfd.readouterr().out)
    assert report["outcome"] == "passed"
    latency = {key: each["value"] for key, each in report["figures"].items()}
    assert latency["commit_p50_seconds:async"] < latency["commit_p50_seconds:sync"]
    assert latency["commit_p50_seconds:sync"] >= 0.1  # a round trip of the link
    assert latency["lost"] == 0
