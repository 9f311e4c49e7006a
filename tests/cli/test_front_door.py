"""The command line before any command runs: what is imported, and what a wrong word is told."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pgreplterm import __version__
from pgreplterm.errors import ExitCode


def pgreplterm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pgreplterm", *words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_version() -> None:
    done = pgreplterm("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"pgreplterm {__version__}\n", "")


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["wal", "--help"]])
def test_looking_costs_no_heavy_import(words: list[str]) -> None:
    script = (
        "import sys\nfrom pgreplterm.cli import run\n"
        f"run({words!r})\n"
        "heavy = {'textual', 'psycopg', 'docker', 'pgreplterm._walscan'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_reading_wal_imports_neither_driver_nor_terminal() -> None:
    script = (
        "import sys\nfrom pgreplterm.cli import run\nrun(['wal', 'verify', '/nonexistent'])\n"
        "heavy = {'textual', 'psycopg', 'docker'} & set(sys.modules)\nsys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_misspelt_command_is_not_taken_for_a_database() -> None:
    done = pgreplterm("staus")
    assert done.returncode == ExitCode.USAGE
    assert "did you mean 'status'" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_an_interrupt_inside_an_exec_still_ends_with_our_status(number: signal.Signals, tmp_path: Path) -> None:
    inside = f"import os, time; os.kill(os.getpid(), {int(number)}); time.sleep(10)"
    (tmp_path / "interrupted.py").write_text(
        "import sys\nfrom pgreplterm import cli\n"
        f"cli.cli.main = lambda *words, **options: exec({inside!r})\n"
        "sys.exit(cli.run([]))\n"
    )
    command = [sys.executable, "-m", "interrupted"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (ExitCode.INTERRUPTED, "pgreplterm: interrupted.\n")


def test_the_terminal_needs_a_terminal() -> None:
    done = pgreplterm("postgresql://127.0.0.1:1/")
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.count("\n") == 1
    assert "pgreplterm status --json" in done.stderr


def test_a_closed_pipe_is_no_traceback() -> None:
    segment = next((Path(__file__).parents[1] / "data" / "wal" / "14").glob("0*.zst"))
    dump = subprocess.Popen(
        [sys.executable, "-m", "pgreplterm", "wal", "dump", segment], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert dump.stdout is not None and dump.stderr is not None
    assert dump.stdout.readline().startswith(b"rmgr: ")
    dump.stdout.close()
    assert dump.wait(60) == 128 + 13
    assert dump.stderr.read() == b""
    dump.stderr.close()
