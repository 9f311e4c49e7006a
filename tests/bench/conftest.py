"""WAL that real servers wrote, for the figures of ``make bench``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.wal.servers import require_bin, scratch_folder, throwaway_server


@dataclass(frozen=True)
class BenchWal:
    """A folder of segments on disk, what they hold in bytes, and the peer of their major."""

    major: int
    folder: Path
    size: int
    pg_waldump: Path


@pytest.fixture(scope="session", params=[15, 18], ids=["15", "18"])
def bench_wal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchWal]:
    """More than 400 MB: pgbench's load, its indexes, 200,000 of its transactions; segments of 16 MB."""
    major: int = request.param
    wal = tmp_path_factory.mktemp("bench") / "wal"
    with scratch_folder() as folder, throwaway_server(major, folder / "server") as server:
        socket = ("-h", server.folder, "-U", "postgres")
        server.run("pgbench", *socket, "-i", "-q", "-s", "26", "postgres")
        server.run("pgbench", *socket, "-c", "4", "-t", "50000", "postgres")
        server.stop()
        shutil.copytree(server.wal, wal, ignore=shutil.ignore_patterns("archive_status", "summaries"))
    size = sum(path.stat().st_size for path in wal.iterdir())
    yield BenchWal(major, wal, size, require_bin(major) / "pg_waldump")
    shutil.rmtree(wal)
