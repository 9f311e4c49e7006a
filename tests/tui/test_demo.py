"""``pgreplterm demo`` on a terminal: paints before there is a cluster, and takes the cluster with it when left."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pgreplterm.errors import ExitCode
from tests.cli.test_demo import left_running

from .terminal import Terminal

COMMAND = [sys.executable, "-m", "pgreplterm", "demo"]


def test_the_first_frame_is_there_before_the_cluster(lab_root: Path, tmp_path: Path) -> None:
    with Terminal(COMMAND, env={"XDG_STATE_HOME": str(tmp_path)}) as terminal:
        first = terminal.wait_for("1 Overview")
        assert "4/4 up" not in first
        assert not list(lab_root.glob("demo/pg1/data/postmaster.pid")), "the primary was started before the first frame"
        terminal.wait_for("3 of 3 standbys streaming")
        assert list(lab_root.glob("demo/pg1/data/postmaster.pid"))
        terminal.press("q")
        assert terminal.process.wait(20) == ExitCode.OK
    assert not left_running(lab_root)
    assert not list(lab_root.glob("*"))


@pytest.mark.parametrize("moment", ["initdb", "1 Overview", "3 of 3 standbys streaming"])
def test_ctrl_c_takes_the_cluster_along(lab_root: Path, tmp_path: Path, moment: str) -> None:
    with Terminal(COMMAND, env={"XDG_STATE_HOME": str(tmp_path)}) as terminal:
        terminal.wait_for(moment)
        terminal.press("\x03")
        assert terminal.process.wait(20) == ExitCode.INTERRUPTED
    assert not left_running(lab_root)
    assert not list(lab_root.glob("*"))


def test_a_lost_terminal_takes_the_cluster_along_during_a_drill(lab_root: Path, tmp_path: Path) -> None:
    with Terminal(COMMAND, env={"XDG_STATE_HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("3 of 3 standbys streaming")
        terminal.press("D")
        terminal.wait_for("failover")
        terminal.press("\r")
        terminal.wait_for("Checks: ")
        terminal.press("\r")
        terminal.wait_for("Type the lab's name")
        terminal.press("demo\r")
        terminal.wait_for("start prober", within=60)
        terminal.hang_up()
        terminal.process.wait(30)
    assert not left_running(lab_root)
    assert not list(lab_root.glob("*"))
