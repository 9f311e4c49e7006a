"""WAL that a PostgreSQL 15 server really wrote, for the figures of ``make bench``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wal.servers import require_bin, scratch_folder, throwaway_server

MAJOR = 15


@pytest.fixture(scope="session")
def pgbench_wal() -> Iterator[Path]:
    """About 230 MB: pgbench's load, its indexes, 80,000 of its transactions; segments of 16 MB."""
    with scratch_folder() as folder:
        wal = folder / "wal"
        with throwaway_server(MAJOR, folder / "server") as server:
            socket = ("-h", server.folder, "-U", "postgres")
            server.run("pgbench", *socket, "-i", "-q", "-s", "12", "postgres")
            server.run("pgbench", *socket, "-c", "4", "-t", "20000", "postgres")
            server.stop()
            shutil.copytree(server.wal, wal, ignore=shutil.ignore_patterns("archive_status"))
        yield wal


@pytest.fixture(scope="session")
def pg_waldump() -> Path:
    """The peer, of the same major."""
    return require_bin(MAJOR) / "pg_waldump"
