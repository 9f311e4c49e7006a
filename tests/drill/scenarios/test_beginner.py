"""Lessons 1 to 3."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgreplterm.lab.backend import Kind as Backend
from tests.drill.scenarios.playing import FILES, course, play


@course(1, 2, 3)
def test_local(path: Path, lab_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(path, Backend.LOCAL, tmp_path, monkeypatch)


def test_the_course_is_there() -> None:
    assert [path.name[:2] for path in FILES[:10]] == [f"{number:02}" for number in range(1, 11)]
    assert len(FILES) >= 21
