"""A scenario of ours run to its end: it passes, and each figure its file promises was measured.

They are spread over several files, so that several processes share them.
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

FILES = sorted((Path(__file__).parents[3] / "scenarios").glob("*.toml"))
BEYOND = [path for path in FILES if not path.name[0].isdigit()]


def course(*numbers: int) -> pytest.MarkDecorator:
    """Those lessons, as the test's argument path."""
    return each([path for path in FILES if path.name[:2] in {f"{number:02}" for number in numbers}])


def each(paths: list[Path]) -> pytest.MarkDecorator:
    """These, as the test's argument path."""
    return pytest.mark.parametrize("path", paths, ids=[path.stem for path in paths])


def play(path: Path, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run it and judge its report; its lab is gone then."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    name = f"sc{os.getpid()}-{path.stem[:16]}"
    place = Run(tmp_path / name)
    try:
        report = run(Request(Kind.SCENARIO, str(path), name, backend=backend.value), place)
    finally:
        left = [directory.name for directory in places.directories() if directory.name == name]
        for one in left:  # a failing test's
            Lab.load(one).down()
    assert report.outcome is Outcome.PASSED, report.reason
    assert not left
    assert not [one.text for one in report.expectations if one.holds is not True]
    save(report, place)
    assert load(place.folder) == report
