"""Every scenario of ours, run to its end: it passes, and each figure its file promises was measured.

On Docker, four of the course; all of them with PGREPLTERM_THOROUGH=1.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pgreplterm.drill.report.model import Outcome
from pgreplterm.drill.report.store import load, save
from pgreplterm.drill.request import Kind, Request
from pgreplterm.drill.run import run
from pgreplterm.drill.runs import Run
from pgreplterm.lab import places
from pgreplterm.lab.backend import Kind as Backend
from pgreplterm.lab.lab import Lab
from tests.docker.engines import require_engine

SCENARIOS = Path(__file__).parents[2] / "scenarios"
FILES = sorted(SCENARIOS.glob("*.toml"))
ON_DOCKER = FILES if os.environ.get("PGREPLTERM_THOROUGH") else [
    path for path in FILES if path.name[:2] in ("04", "05", "08", "10")
]  # fmt: skip


def play(path: Path, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    name = f"sc{os.getpid()}-{path.stem[:16]}"
    place = Run(tmp_path / name)
    try:
        report = run(Request(Kind.SCENARIO, str(path), name, backend=backend.value), place)
    finally:
        left = [directory.name for directory in places.directories() if directory.name == name]
        for each in left:  # a failing test's
            Lab.load(each).down()
    assert report.outcome is Outcome.PASSED, report.reason
    assert not left
    assert not [each.text for each in report.expectations if each.holds is not True]
    save(report, place)
    assert load(place.folder) == report


def test_the_course_is_there() -> None:
    numbers = [path.name.partition("-")[0] for path in FILES]
    assert numbers[:10] == [f"{number:02}" for number in range(1, 11)]
    assert len(FILES) >= 21


@pytest.mark.alone
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_local(path: Path, lab_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(path, Backend.LOCAL, tmp_path, monkeypatch)


@pytest.mark.alone
@pytest.mark.parametrize("path", ON_DOCKER, ids=lambda path: path.stem)
def test_on_docker(path: Path, lab_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_engine()
    play(path, Backend.DOCKER, tmp_path, monkeypatch)
