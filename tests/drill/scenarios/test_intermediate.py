"""Lessons 4 to 6."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgreplterm.lab.backend import Kind as Backend
from tests.drill.scenarios.playing import course, play


@course(4, 5, 6)
def test_local(path: Path, lab_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(path, Backend.LOCAL, tmp_path, monkeypatch)
