"""Two commands against each other, in turn, as whole processes.

The smallest job each can do is timed right beside the real one and subtracted from it round by round, so that the
ratio compares the work and a machine that slows down slows both; process start is shown apart.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Command = Sequence[str]


@dataclass(frozen=True)
class Side:
    """Median seconds of one command: the whole job, its smallest job, and the difference of the two."""

    job: float
    start: float
    net: float


def seconds(command: Command) -> float:
    """Wall time of one run."""
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    took = time.perf_counter() - began
    assert done.returncode in (0, 1), done.stderr.decode()
    return took


def compare(ours: tuple[Command, Command], theirs: tuple[Command, Command], rounds: int = 15) -> tuple[Side, Side]:
    """(job, smallest job) of each side, all four in turn, round after round."""
    commands = [*ours, *theirs]
    for command in commands:
        seconds(command)
    rows = [[seconds(command) for command in commands] for _ in range(rounds)]
    return _side(rows, 0), _side(rows, 2)


def _side(rows: list[list[float]], place: int) -> Side:
    return Side(
        statistics.median(row[place] for row in rows),
        statistics.median(row[place + 1] for row in rows),
        statistics.median(row[place] - row[place + 1] for row in rows),
    )


def read_limit(files: Sequence[Path], rounds: int = 5) -> float:
    """Bytes a second of reading these files from the page cache into one small buffer, and nothing else: the best."""
    buffer = memoryview(bytearray(1 << 19))
    best = 0.0
    for _ in range(rounds):
        began, size = time.perf_counter(), 0
        for file in files:
            with file.open("rb", buffering=0) as stream:
                while got := stream.readinto(buffer):
                    size += got
        best = max(best, size / (time.perf_counter() - began))
    return best


def table(title: str, ours: Side, theirs: Side, peer: str) -> str:
    """What is printed by ``make bench``."""
    rows = [("pgreplterm", ours), (peer, theirs)]
    lines = [f"\n{title}", f"  {'':<14} {'whole':>10} {'start':>10} {'net':>10}"]
    lines += [
        f"  {name:<14} {side.job * 1e3:>7.1f} ms {side.start * 1e3:>7.1f} ms {side.net * 1e3:>7.1f} ms"
        for name, side in rows
    ]
    lines.append(f"  {theirs.net / ours.net:.2f} times as fast as {peer} (net), {theirs.job / ours.job:.2f} whole")
    return "\n".join(lines)
