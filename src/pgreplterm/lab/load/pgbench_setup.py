"""What pgbench needs before it runs.

Owns: finding the program of the lab's own major, and its tables, made once. Must not: run the test.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pgreplterm.lab import binaries, sql
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.site import Site
from pgreplterm.lab.state import NodeRecord
from pgreplterm.lab.tools import last_line

INITIALIZE_TIMEOUT = 120.0
_HAS_TABLES = "SELECT to_regclass('pgbench_history') IS NOT NULL"


def program(site: Site) -> Path:
    """pgbench of the lab's own PostgreSQL, or of the same major on this machine. Raises LabError."""
    lab = site.read()
    own = Path(lab.bindir) / "pgbench"
    if lab.docker is None:  # else that folder is the image's
        if not os.access(own, os.X_OK):
            raise LabError(f"{own.parent} has no pgbench: choose the load single or batch")
        return own
    found = binaries.locate(None) / "pgbench"
    wanted = lab.server_version.partition(".")[0]
    if not os.access(found, os.X_OK) or f"(PostgreSQL) {wanted}." not in _run([str(found), "--version"]):
        raise LabError(f"this machine has no pgbench of PostgreSQL {wanted}: choose the load single or batch")
    return found


def make_tables(site: Site, node: NodeRecord, pgbench: Path) -> None:
    """Its four tables with 100,000 accounts, unless they are there. Raises LabError."""
    with site.connect(node) as link:
        if not sql.value(link, _HAS_TABLES):
            _run([str(pgbench), "--initialize", "--quiet", site.dsn(node)])


def _run(argv: list[str]) -> str:
    # No standby is waited for: where all synchronous ones are down this would never end.
    environment = {**binaries.environment(), "PGOPTIONS": "-c synchronous_commit=local"}
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", cwd="/", env=environment, timeout=INITIALIZE_TIMEOUT, check=False,
        )  # fmt: skip
    except OSError as error:
        raise LabError(f"{argv[0]} cannot be started: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"pgbench took more than {INITIALIZE_TIMEOUT:.0f} s to make its tables") from None
    if done.returncode != 0:
        raise LabError(f"pgbench failed while making its tables: {last_line(done.stdout)}")
    return done.stdout
