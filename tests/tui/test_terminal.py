"""The real program on a real terminal: bytes, stray input, signals, and a terminal that goes away."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .terminal import Terminal

LEFT_ALTERNATE_SCREEN = b"\x1b[?1049l"


@contextmanager
def replay(mode: str, **options: object) -> Iterator[Terminal]:
    """The application on the scripted source of that mode, ten ticks a second."""
    with Terminal([sys.executable, "-m", "tests.tui.replay", mode], **options) as terminal:  # type: ignore[arg-type]
        yield terminal


def test_the_first_frame_needs_no_cluster() -> None:
    with replay("silent") as terminal:
        text = terminal.wait_for("Waiting for replay")
        assert "nothing is built here" in terminal.wait_for("nothing is built here")
        assert "1 Overview" in text


def test_an_unchanged_cluster_costs_no_byte() -> None:
    with replay("steady") as terminal:
        terminal.wait_for("s2")
        terminal.settle(0.5)
        before = len(terminal.received)
        time.sleep(2.0)  # twenty ticks
        assert bytes(terminal.received[before:]) == b""


def test_a_changing_cluster_stays_within_its_budget() -> None:
    with replay("lag") as terminal:
        terminal.wait_for("s2 is")
        before, began = len(terminal.received), time.monotonic()
        time.sleep(2.0)
        refreshes = (time.monotonic() - began) / 0.1
        assert 0 < (len(terminal.received) - before) / refreshes < 2500


@pytest.mark.parametrize(
    "stray",
    [
        b"\xff",
        b"\xc3\x28\xa0\xa1\xe2\x28\xa1",
        b"\x1b[M \xf0\xf1",
        b"\x1b[M qD",
        b"\x1b[<0;200;10M\x1b[<0;200;10m",
        b"\x1b[99999;1~\x1b]0;title\x07",
        b"\x00\x01\x02\x1c",
    ],
)
def test_stray_bytes_are_no_commands_and_no_end(stray: bytes) -> None:
    with replay("steady") as terminal:
        terminal.wait_for("s2")
        terminal.press(stray)
        terminal.press("4")
        terminal.wait_for("LANES")
        assert terminal.process.poll() is None
        terminal.press("q")
        assert terminal.wait_exit() == 0


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)],
)
def test_a_signal_restores_the_terminal_and_gives_its_status(number: signal.Signals, status: int) -> None:
    with replay("steady") as terminal:
        terminal.wait_for("s2")
        terminal.process.send_signal(number)
        assert terminal.wait_exit() == status
        terminal.settle(0.1)
        assert LEFT_ALTERNATE_SCREEN in terminal.received
        assert "Traceback" not in terminal.text


def test_an_exception_in_a_poller_is_an_event() -> None:
    with replay("defect") as terminal:
        terminal.wait_for("news failed: RuntimeError: a defect in a poller")
        terminal.press("q")
        assert terminal.wait_exit() == 0


def test_a_defect_of_the_screen_ends_in_one_sentence_and_no_traceback() -> None:
    with replay("crash") as terminal:
        assert terminal.wait_exit() == 1
        terminal.settle(0.1)
        assert LEFT_ALTERNATE_SCREEN in terminal.received
        after = terminal.received.split(LEFT_ALTERNATE_SCREEN)[-1].decode()
        assert "the terminal program failed (ZeroDivisionError: division by zero) at " in after
        assert "Traceback" not in after and "conninfo" not in after


def test_ctrl_c() -> None:
    with replay("steady") as terminal:
        terminal.wait_for("s2")
        terminal.press("\x03")
        assert terminal.wait_exit() == 130


@pytest.mark.parametrize("controlling", [True, False])
def test_a_lost_terminal_ends_the_program(controlling: bool) -> None:
    with replay("steady", controlling=controlling) as terminal:
        terminal.wait_for("s2")
        terminal.hang_up()
        assert terminal.wait_exit() == 129


def test_a_terminal_that_takes_nothing_does_not_hold_the_program() -> None:
    with replay("lag") as terminal:
        terminal.wait_for("s2")
        terminal.stalled = True
        for _ in range(60):  # whole screens, more than a pty holds
            terminal.press("41")
        time.sleep(0.5)
        terminal.process.terminate()
        assert terminal.wait_exit() == 143


def test_a_storm_of_sizes() -> None:
    with replay("steady") as terminal:
        terminal.wait_for("s2")
        for step in range(30):
            terminal.resize(20 + step * 5, 6 + step)
        terminal.resize(120, 40)
        text = terminal.wait_for("address")
        assert "q quit" in text
        terminal.resize(80, 24)
        terminal.wait_for(lambda text: "address" not in text and "q quit" in text.splitlines()[-1])


def test_a_size_that_no_signal_told_of() -> None:
    with replay("steady", controlling=False) as terminal:
        terminal.wait_for("s2")
        terminal.resize(120, 40)
        terminal.wait_for("address")


def test_a_size_that_the_environment_names_is_not_believed() -> None:
    with replay("steady", env={"COLUMNS": "80", "LINES": "24"}) as terminal:
        terminal.wait_for("s2")
        terminal.resize(120, 40)
        terminal.wait_for("address")


def test_without_a_terminal_it_says_so_in_one_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.tui.replay", "steady"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "needs a terminal" in done.stderr


def test_quitting_waits_for_no_silent_server() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(8)
        dsn = f"host=127.0.0.1 port={deaf.getsockname()[1]} user=nobody dbname=nothing"
        with Terminal([sys.executable, "-m", "pgreplterm", "watch", dsn]) as terminal:
            terminal.wait_for("no server answers")
            terminal.press("q")
            assert terminal.wait_exit(5) == 0


def test_textual_is_not_imported_before_a_screen_is_wanted() -> None:
    program = "import sys, pgreplterm.tui; sys.exit('textual' in sys.modules or 'psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], env=os.environ).returncode == 0
