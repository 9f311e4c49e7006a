"""Lessons 4 and 5 in containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgreplterm.lab.backend import Kind as Backend
from tests.docker.engines import require_engine
from tests.drill.scenarios.playing import course, play


@course(4, 5)
def test_on_docker(path: Path, lab_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_engine()
    play(path, Backend.DOCKER, tmp_path, monkeypatch)
