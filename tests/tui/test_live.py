"""The program on a lab of real servers, driven by keys as a user would."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pgreplterm.lab.lab import Lab

from .terminal import Terminal

TICKS_FROZEN = 4.0  # seconds a standby stays frozen while the screen is watched
ROUNDS = 3


@pytest.fixture
def lab(make_lab: Callable[..., Lab]) -> Lab:
    """A primary, two standbys and a cascade, under a write load."""
    lab = make_lab(standbys=2, cascades=1)
    lab.start_load(200)
    return lab


@pytest.fixture
def terminal(lab: Lab, tmp_path: Path) -> Iterator[Terminal]:
    """The program watching that lab."""
    command = [sys.executable, "-m", "pgreplterm", "watch", "--lab", lab.name]
    with Terminal(command, env={"XDG_STATE_HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("4/4 up")
        yield terminal


def test_from_the_topology_to_the_bytes_of_the_live_lab(lab: Lab, terminal: Terminal) -> None:
    text = terminal.wait_for("3 of 3 standbys streaming")
    for node in lab.nodes:
        assert node.name in text
    terminal.press("5")
    terminal.wait_for(lab.nodes[0].data_directory[:40])
    terminal.press("\r")
    terminal.wait_for("000000010000000000000001")
    terminal.press("\r")
    terminal.wait_for("records;")
    terminal.press("G")
    terminal.press("\r")
    text = terminal.wait_for("xl_tot_len")
    assert all(name in text for name in ("xl_xid", "xl_prev", "xl_info", "xl_rmid", "xl_crc"))
    terminal.press("G")
    terminal.wait_for(lambda text: "xlp_" in text and "xl_tot_len" not in text)


def test_a_failover_by_keys(lab: Lab, terminal: Terminal, tmp_path: Path) -> None:
    terminal.press("D")
    terminal.wait_for("failover")
    terminal.press("\r")
    terminal.wait_for("Checks: ")
    terminal.press("\r")
    terminal.wait_for(f"Type the lab's name, {lab.name}")
    terminal.press(lab.name + "\r")
    terminal.wait_for("kill primary", within=60)
    terminal.wait_for("cell per 100 ms", within=60)
    text = terminal.wait_for("RESULT  Failover drill", within=120)
    (run,) = (tmp_path / "pgreplterm" / "runs").iterdir()
    report = json.loads((run / "report.json").read_text())
    figures = report["figures"]
    assert f"{figures['acknowledged']['value']:,} commits" in text
    assert (run / "report.html").exists()
    promoted = next(node["name"] for node in report["after"]["nodes"] if node["role"] == "primary")
    terminal.press("1")
    terminal.wait_for(lambda text: any(line.split()[:2] == [promoted, "primary"] for line in text.splitlines()))
    terminal.wait_for("3 of 3 standbys streaming")
    terminal.press("4")
    text = terminal.wait_for("TL 1 -> 2")
    assert figures["fork_lsn"]["value"].split("/")[1] in text


def test_a_frozen_standby_freezes_no_screen(lab: Lab, terminal: Terminal) -> None:
    terminal.wait_for("3 of 3 standbys streaming")
    lab.freeze("pg3")
    try:
        terminal.wait_for("pg3 is silent")
        # The worst of the best round: another program on this machine may delay a round, a freeze delays all.
        assert min(worst_answer(terminal) for _ in range(ROUNDS)) < 0.25
    finally:
        lab.thaw("pg3")
    terminal.wait_for("3 of 3 standbys streaming")
    terminal.press("7")
    text = terminal.wait_for("pg3 is back")
    assert "pg3 silent" in text


def worst_answer(terminal: Terminal) -> float:
    """The longest time in seconds from a key to its effect on the screen, over TICKS_FROZEN seconds."""
    worst, deadline = 0.0, time.monotonic() + TICKS_FROZEN
    while time.monotonic() < deadline:
        for expected in ("paused", "live"):
            pressed = time.monotonic()
            terminal.press(" ")
            terminal.wait_for(lambda text, word=expected: word in text.splitlines()[0])  # type: ignore[misc]
            worst = max(worst, time.monotonic() - pressed)
            time.sleep(0.1)
    return worst


def test_a_dead_primary_is_said_at_once_and_its_return_too(lab: Lab, terminal: Terminal) -> None:
    terminal.wait_for("3 of 3 standbys streaming")
    lab.kill("pg1")
    text = terminal.wait_for("no primary answers: pg1 is down")
    assert "3/4 up" in text
    lab.start("pg1")
    terminal.wait_for("3 of 3 standbys streaming")
