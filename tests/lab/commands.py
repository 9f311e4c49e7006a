"""The command line as a process, as ourselves or as an account without rights."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pgreplterm

SOURCE = Path(pgreplterm.__file__).parents[1]


def command(*arguments: str) -> list[str]:
    """The argument vector of ``pgreplterm ARGUMENTS`` in this interpreter."""
    return [sys.executable, "-m", "pgreplterm", *arguments]


def environment(lab_root: Path) -> dict[str, str]:
    """Ours, with the package importable from any folder and the labs in that root."""
    return {**os.environ, "PYTHONPATH": str(SOURCE), "PGREPLTERM_LAB_ROOT": str(lab_root)}


def run(lab_root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, env=environment(lab_root), cwd="/", check=False
    )


def one_sentence(completed: subprocess.CompletedProcess[str]) -> str:
    """The complaint of a failed command: its last line of narration, which is one sentence and no traceback."""
    assert "Traceback" not in completed.stderr
    return completed.stderr.strip().splitlines()[-1]


def interpreter_for(account: pwd.struct_passwd) -> str:
    """An interpreter of our own version that the account can execute, or skip the test."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, shutil.which(name, path="/usr/bin:/usr/local/bin")):
        if candidate and _works(candidate, account):
            return candidate
    pytest.skip(f"{account.pw_name} can execute no {name} with our packages")


def packages_path() -> str:
    """A PYTHONPATH under which another interpreter finds what this one does."""
    return os.pathsep.join([str(SOURCE), *(path for path in sys.path if path.endswith("site-packages"))])


def _works(interpreter: str, account: pwd.struct_passwd) -> bool:
    try:
        tried = subprocess.run(
            [interpreter, "-c", "import psycopg, psutil, click, pgreplterm"],
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            cwd="/",
            env={"PYTHONPATH": packages_path(), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return tried.returncode == 0
