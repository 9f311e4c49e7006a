"""``pgreplterm demo`` without a terminal: the whole promise in one command, and nothing left of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pgreplterm.errors import ExitCode
from tests.wal.servers import THOROUGH

COMMAND = [sys.executable, "-m", "pgreplterm", "demo"]
DEADLINE = 120


@pytest.fixture
def home(tmp_path: Path, lab_root: Path) -> Iterator[dict[str, str]]:
    """An environment with a home of its own; afterwards no process works in the lab root, and it is empty."""
    yield {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    assert not left_running(lab_root)
    assert not lab_root.exists() or not list(lab_root.iterdir())


def left_running(root: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = " ".join(process.info["cmdline"] or [])
        if f"{root}/demo" in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(words)
    return found


def test_headless_json(home: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--no-tui", "--json", "--seconds", "0.5"],
        env=home, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert done.returncode == ExitCode.OK, done.stderr
    document = json.loads(done.stdout)
    nodes = document["cluster"]["nodes"]
    assert len(nodes) == 4
    assert {"name", "role", "timeline", "state"} <= set(nodes[0])
    assert {node["timeline"] for node in nodes} == {2}
    drill = document["drill"]
    figures = {key: figure["value"] for key, figure in drill["figures"].items()}
    assert {
        "timeline_before", "timeline_after", "fork_lsn", "detection_seconds", "promotion_seconds",
        "downtime_seconds", "acknowledged", "lost", "rejoin",
    } <= set(figures)  # fmt: skip
    assert (drill["kind"], drill["name"], drill["outcome"]) == ("drill", "failover", "passed")
    assert (figures["timeline_before"], figures["timeline_after"]) == (1, 2)
    assert figures["lost"] == len(figures["lost_ids"])
    saved = list((tmp_path / "state" / "pgreplterm" / "runs").glob("*/report.json"))
    assert [json.loads(path.read_text())["figures"]["fork_lsn"]["value"] for path in saved] == [figures["fork_lsn"]]


def test_headless_text_and_a_home_that_cannot_be_written(home: dict[str, str]) -> None:
    nowhere = {**home, "XDG_STATE_HOME": "/proc/nowhere"}
    done = subprocess.run(
        [*COMMAND, "--seconds", "0", "--cascade", "0", "--standbys", "1"],
        env=nowhere, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert done.returncode == ExitCode.OK, done.stderr
    assert "will not outlive the lab" in done.stderr
    assert re.search(r"Timeline before +1 ", done.stdout)
    assert re.search(r"Timeline after +2 ", done.stdout)
    assert re.search(r"Fork LSN +[0-9A-F]+/[0-9A-F]{8}", done.stdout)
    assert re.search(r"Downtime +[\d.]+ m?s", done.stdout)
    assert re.search(r"Lost +\d+ rows", done.stdout)
    assert re.search(r"Rejoin +(follow|pg_rewind|rebuild)", done.stdout)
    assert "streaming" in done.stderr


MOMENTS = ("initdb", "starting pg2", "load:", "kill primary ...", "rejoin ...")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
BOTH = [(moment, number) for moment in MOMENTS for number in SIGNALS]
ENDS = BOTH if THOROUGH else [(moment, SIGNALS[place % 2]) for place, moment in enumerate(MOMENTS)]


@pytest.mark.parametrize(("moment", "number"), ENDS, ids=str)
def test_interrupted_at_any_moment(home: dict[str, str], moment: str, number: signal.Signals) -> None:
    demo = subprocess.Popen(
        [*COMMAND, "--no-tui", "--seconds", "0.2", "--cascade", "0"],
        env=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert demo.stderr is not None
    said = []
    for line in demo.stderr:
        said.append(line)
        if moment in line:
            demo.send_signal(number)
            break
    _, rest = demo.communicate(timeout=DEADLINE)
    assert demo.returncode == ExitCode.INTERRUPTED, "".join(said) + rest
    assert "Traceback" not in "".join(said) + rest
