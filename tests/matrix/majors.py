"""The installations of PostgreSQL 13 to 19 that the matrix runs, some of them in a root file system of their own.

Owns: finding a major below $PGREPLTERM_MAJORS (layout: README.md here), running its programs, and a server of it.
Must not: read WAL, or know what the workload is.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from pgreplterm.lab.account import Account, SpawnOptions, server_account
from tests.wal.servers import Server, find_bin, scratch_folder

MAJORS = (13, 14, 15, 16, 17, 18, 19)
ENVIRONMENT_VARIABLE = "PGREPLTERM_MAJORS"


class _RootedAccount(Account):
    """An account of another root file system: the program that enters it changes the uid, not ``subprocess``."""

    @property
    def spawn_options(self) -> SpawnOptions:
        """Nothing: entering needs our own uid."""
        return {}


class MatrixServer(Server):
    """A server whose initdb may be too old for an option."""

    def run(self, program: str, *args: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """As Server.run; initdb of 13 always prints its instructions."""
        if program == "initdb" and " 13." in super().run(program, "--version").stdout:
            args = tuple(arg for arg in args if arg != "--no-instructions")
        return super().run(program, *args, check=check)


@dataclass(frozen=True)
class Installation:
    """One major: where its programs are, and the root file system they must be started in, if not ours."""

    major: int
    bin: Path
    root: Path | None = None

    def has(self, program: str) -> bool:
        """Whether that program is part of it: some are a server and nothing else."""
        return (self.bin / program).exists()

    @property
    def account(self) -> Account:
        """Who runs the programs: in a root file system its own ``postgres``, whose uid need not be ours."""
        if self.root is None:
            return server_account()
        for line in (self.root / "etc/passwd").read_text().splitlines():
            name, _, uid, gid, *_ = line.split(":")
            if name == "postgres":
                return _RootedAccount(name, int(uid), int(gid), dropped=True)
        raise AssertionError(f"{self.root}/etc/passwd has no account postgres")

    def runnable(self, folder: Path) -> Path:
        """The programs as ``subprocess`` can start them: for a root file system, scripts in folder that enter it."""
        if self.root is None:
            return self.bin
        account, into = self.account, folder / f"enter-{self.major}"
        into.mkdir(exist_ok=True)
        for program in self.bin.iterdir():
            inside = "/" / program.relative_to(self.root)
            enter = ["chroot", f"--userspec={account.uid}:{account.gid}", str(self.root), str(inside)]
            script = into / program.name
            script.write_text(f'#!/bin/sh\nexec {shlex.join(enter)} "$@"\n')
            script.chmod(0o755)
        return into

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for throw-away files whose path is the same for us and for the programs."""
        if self.root is None:
            with scratch_folder() as folder:
                yield folder
            return
        with tempfile.TemporaryDirectory(prefix="pgreplterm-", dir=self.root / "tmp") as name, _own_path(self.root):
            Path(name).chmod(0o755)
            yield Path(name)

    @contextmanager
    def server(self, folder: Path, *initdb: str, **settings: Any) -> Iterator[MatrixServer]:
        """A server made but not started, in an empty folder of its own; stopped, and its files removed, at the end."""
        account = self.account
        folder.mkdir(mode=0o755)
        account.own(folder)
        server = MatrixServer(self.runnable(folder.parent), folder, account, settings)
        try:
            server.initdb(*initdb)
            yield server
        finally:
            server.stop(signal.SIGQUIT)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _own_path(root: Path) -> Iterator[None]:
    """Inside the root, a link to itself under the path it has outside, so that one name serves both sides."""
    link = root / root.relative_to("/")
    if link.is_symlink():  # from a run that was killed, or of a neighbour that still needs it
        yield
        return
    made = not link.parent.exists()
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to("/")
    try:
        yield
    finally:
        link.unlink()
        if made:
            link.parent.rmdir()


@lru_cache
def find_installation(major: int) -> Installation | None:
    """That major below $PGREPLTERM_MAJORS, or else as tests/wal finds it on this machine."""
    if named := os.environ.get(ENVIRONMENT_VARIABLE):
        root = Path(named).resolve() / str(major)
        rooted = root / f"usr/lib/postgresql/{major}/bin"
        if (rooted / "postgres").exists():
            return Installation(major, rooted, root)
        for depth in ("bin", "*/bin", "*/*/bin"):
            for found in sorted(root.glob(f"{depth}/postgres")):
                return Installation(major, found.parent)
    installed = find_bin(major)
    return Installation(major, installed) if installed else None


def require_installation(major: int) -> Installation:
    """find_installation, or skip the test; with PGREPLTERM_ALL_MAJORS=1 a missing major fails it."""
    found = find_installation(major)
    if found is None:
        reason = f"no PostgreSQL {major}: set {ENVIRONMENT_VARIABLE} to a folder that has it (tests/matrix/README.md)"
    elif found.root is not None and os.geteuid() != 0:
        reason = f"PostgreSQL {major} is in a root file system of its own, which only root can enter"
    else:
        return found
    if os.environ.get("PGREPLTERM_ALL_MAJORS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
