"""A ``wal`` command that takes long: the bar that shows how far it is, and what it tells when it is interrupted.

The archive is small and its WAL is not: segments of 1 GB whose records end with a switch, packed. Reading them to
their end takes a second each, whatever the machine.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyte
import pytest

from pgreplterm.errors import ExitCode
from tests.wal.builder import Wal, noop_of

GB = 1 << 30
DEADLINE = 60
LONG = 3  # segments


def _packed(pages: list[tuple[int, bytearray]], zeros: bytes, step: int) -> bytes:
    """A gzip file of several members: the pages, then zeros up to 1 GB."""
    packer = zlib.compressobj(1, wbits=31)
    data = b"".join(bytes(page) for _, page in sorted(pages))
    head = packer.compress(data + bytes(-len(data) % step)) + packer.flush()
    return head + zeros * (GB // step - 1)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs: one that is read in no time, and one that takes seconds."""
    folder = tmp_path_factory.mktemp("long")
    built = Wal(18, start=GB, segment_size=GB)
    for _ in range(20):
        built.append(noop_of(1000))
    built.write(folder)
    built = Wal(18, start=8 * GB, segment_size=GB)
    for _ in range(LONG):
        for _ in range(50):
            built.append(noop_of(1000))
        built.switch()
    step = 1 << 25
    packer = zlib.compressobj(1, wbits=31)
    zeros = packer.compress(bytes(step)) + packer.flush()
    for number in range(8, 8 + LONG):
        pages = [(lsn, page) for (_, lsn), page in built.pages.items() if lsn // GB == number]
        (folder / f"{built.segment_name(1, number)}.gz").write_bytes(_packed(pages, zeros, step))
    return folder


def _wal(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "pgreplterm", "wal", *map(str, words)]


class _Terminal:
    """A terminal that is stderr of a command, and what stands on its screen.

    A thread reads it, as a terminal does all the time: a command whose writes nobody takes would wait for ever.
    """

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()
        self.screen = pyte.Screen(100, 24)
        self.seen = ""
        self._stream = pyte.ByteStream(self.screen)
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, name="terminal", daemon=True)
        self._reader.start()

    def wait_for(self, text: str) -> str:
        """Return the line that text has appeared on."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._line(text) is not None, DEADLINE), (
                f"never saw {text!r}: {self.screen.display}"
            )
            return self._line(text) or ""

    def finish(self) -> list[str]:
        """What is left on the screen, once the command has ended."""
        os.close(self.slave)
        self._reader.join(DEADLINE)
        os.close(self._master)
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def _line(self, text: str) -> str | None:
        return next((line for line in self.screen.display if text in line), None)

    def _read(self) -> None:
        while data := self._next():
            with self._changed:
                self.seen += data.decode(errors="replace")
                self._stream.feed(data)
                self._changed.notify_all()

    def _next(self) -> bytes:
        try:
            return os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the other end open any more
            return b""


@pytest.fixture
def terminal() -> Iterator[_Terminal]:
    yield _Terminal()


ENVIRONMENT = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}


# ---- the bar ----


def test_a_bar_while_it_takes_long_and_nothing_of_it_afterwards(archive: Path, terminal: _Terminal) -> None:
    command = subprocess.Popen(
        _wal("verify", "-j2", archive), stdout=subprocess.PIPE, stderr=terminal.slave, env=ENVIRONMENT
    )
    assert command.stdout is not None
    line = terminal.wait_for("B/s")
    assert "GB" in line and "left" in line
    out = command.stdout.read()
    command.stdout.close()
    assert command.wait(DEADLINE) == ExitCode.FINDING
    assert terminal.finish() == []
    assert terminal.screen.cursor.hidden is False
    assert out.count(b"records") == 2 and b"\x1b" not in out


def test_reports_stand_above_the_bar(archive: Path, terminal: _Terminal) -> None:
    """Both on one terminal, as at a person's: what is printed meanwhile is whole, and all that is left."""
    command = subprocess.Popen(_wal("verify", archive), stdout=terminal.slave, stderr=terminal.slave, env=ENVIRONMENT)
    terminal.wait_for("B/s")
    terminal.wait_for("end of segment")
    assert command.wait(DEADLINE) == ExitCode.FINDING
    plain = subprocess.run(_wal("verify", archive), capture_output=True, text=True, check=False)
    assert "".join(terminal.finish()).replace(" ", "") == plain.stdout.replace("\n", "").replace(" ", "")


def test_no_bar_without_a_terminal(archive: Path) -> None:
    done = subprocess.run(_wal("stat", "--json", archive), capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.FINDING
    assert "\x1b" not in done.stderr + done.stdout
    assert json.loads(done.stdout)["rmgrs"]


def test_a_short_walk_has_no_bar_and_does_not_pay_for_one(tmp_path: Path, terminal: _Terminal) -> None:
    built = Wal(18, start=5 << 20, segment_size=1 << 20)
    built.append()
    built.write(tmp_path)
    script = (
        "import sys\nfrom pgreplterm.cli import run\n"
        f"assert run(['wal', 'verify', {str(tmp_path)!r}]) == 0\n"
        "sys.exit(3 if 'rich' in sys.modules or 'distributed' in sys.modules else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=terminal.slave, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 0
    assert (terminal.finish(), terminal.seen) == ([], "")


# ---- interrupted ----


@pytest.mark.parametrize("words", [(), ("-j2",), ("--engine", "dask", "-j2")], ids=["alone", "threads", "dask"])
def test_verify_tells_what_it_knows(words: tuple[str, ...], archive: Path, terminal: _Terminal) -> None:
    """The first run's report, then the bar, are the sign that the second is read. All of its group is interrupted."""
    if "dask" in words:
        pytest.importorskip("distributed")
    command = subprocess.Popen(
        _wal("verify", *words, archive), stdout=subprocess.PIPE, stderr=terminal.slave, text=True,
        env=ENVIRONMENT, start_new_session=True,
    )  # fmt: skip
    assert command.stdout is not None
    first = [command.stdout.readline(), command.stdout.readline()]
    terminal.wait_for("B/s")
    children = psutil.Process(command.pid).children(recursive=True)
    os.killpg(command.pid, signal.SIGINT)
    out, _ = command.communicate(timeout=DEADLINE)
    assert command.returncode == ExitCode.INTERRUPTED
    assert terminal.finish() == ["pgreplterm: interrupted: what is not listed was not verified."]
    assert "20 records" in first[0]
    heading, sentence = out.splitlines()
    assert heading.startswith("000000010000000200000000.gz..") and "records" in heading
    assert "interrupted at 2/" in sentence
    assert not psutil.wait_procs(children, timeout=DEADLINE)[1]
    assert bool(children) is ("dask" in words)


def test_verify_as_json(archive: Path, terminal: _Terminal) -> None:
    command = subprocess.Popen(
        _wal("verify", "--json", archive), stdout=subprocess.PIPE, stderr=terminal.slave, env=ENVIRONMENT
    )
    terminal.wait_for("B/s")
    command.send_signal(signal.SIGINT)
    out, _ = command.communicate(timeout=DEADLINE)
    done, going = json.loads(out)["runs"]
    assert command.returncode == ExitCode.INTERRUPTED
    assert done["records"] == 20 and done["end"] != "interrupted"
    assert going["end"] == "interrupted" and f"interrupted at {going['end_lsn']}" in going["sentence"]
    assert 0 < going["records"] <= LONG * 51
    assert terminal.finish() == ["pgreplterm: interrupted: what is not listed was not verified."]


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_stat_shows_what_it_has_counted(form: tuple[str, ...], archive: Path, terminal: _Terminal) -> None:
    command = subprocess.Popen(
        _wal("stat", *form, archive), stdout=subprocess.PIPE, stderr=terminal.slave, env=ENVIRONMENT
    )
    terminal.wait_for("B/s")
    command.send_signal(signal.SIGINT)
    out, _ = command.communicate(timeout=DEADLINE)
    assert command.returncode == ExitCode.INTERRUPTED
    said = " ".join(terminal.finish())
    assert "interrupted at " in said
    assert said.endswith("interrupted: that is what was counted so far.")
    assert "Traceback" not in said
    if form:
        assert json.loads(out)["rmgrs"][0]["count"] > 20
    else:
        assert b"XLOG" in out and b"Total" in out


def test_an_interrupt_before_there_is_anything_to_tell(archive: Path) -> None:
    """While a cluster of processes is being started."""
    pytest.importorskip("distributed")
    command = subprocess.Popen(
        _wal("verify", "--engine", "dask", archive), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    me = psutil.Process(command.pid)
    while not me.children():
        os.sched_yield()
    os.killpg(command.pid, signal.SIGINT)
    _, err = command.communicate(timeout=DEADLINE)
    assert command.returncode == ExitCode.INTERRUPTED, err
    assert "Traceback" not in err
