"""Two commands against each other, in turn, as whole processes.

The smallest job each can do is timed the same way and subtracted from both, so that the ratio compares the work;
process start is shown apart.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

Command = Sequence[str]


@dataclass(frozen=True)
class Side:
    """Median seconds of one command: the job, and its smallest job."""

    job: float
    start: float

    @property
    def net(self) -> float:
        """The job without process start."""
        return self.job - self.start


def seconds(command: Command) -> float:
    """Wall time of one run."""
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    took = time.perf_counter() - began
    assert done.returncode in (0, 1), done.stderr.decode()
    return took


def compare(ours: tuple[Command, Command], theirs: tuple[Command, Command], rounds: int = 15) -> tuple[Side, Side]:
    """(job, smallest job) of each side, run A B A B; medians."""
    commands = [*ours, *theirs]
    for command in commands:
        seconds(command)
    runs: list[list[float]] = [[], [], [], []]
    for _ in range(rounds):
        for times, command in zip(runs, commands, strict=True):
            times.append(seconds(command))
    medians = [statistics.median(times) for times in runs]
    return Side(medians[0], medians[1]), Side(medians[2], medians[3])


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
