"""Lessons 8 and 10 in containers; all of ours with PGREPLTERM_THOROUGH=1."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgreplterm.lab.backend import Kind as Backend
from tests.docker.engines import require_engine
from tests.drill.scenarios.playing import FILES, each, play
from tests.wal.servers import THOROUGH

PATHS = FILES if THOROUGH else [path for path in FILES if path.name[:2] in ("08", "10")]


@each(PATHS)
def test_on_docker(path: Path, lab_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_engine()
    play(path, Backend.DOCKER, tmp_path, monkeypatch)
