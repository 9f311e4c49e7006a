"""How a former primary may come back, decided from its own WAL.

Owns: reading the stopped node's WAL to its end and comparing that end with the fork. Must not: change the node.

pg_control cannot answer this for a killed server (its checkpoint lies behind the end of WAL), so the segments are
read as recovery would read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pgreplterm.cluster.model import RejoinAction
from pgreplterm.errors import DrillFailed
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.rmgr import record_name, rmgr_name
from pgreplterm.wal.scan import scan_run
from pgreplterm.wal.source import Run, WalSource, open_source
from pgreplterm.wal.verification import verify_run

_COMMITS = ("COMMIT", "COMMIT_PREPARED")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The way back; end is where the node's WAL ends, beyond the bytes of it past the fork, commits those in them."""

    method: RejoinAction
    end: LSN
    beyond: int
    commits: int

    @property
    def word(self) -> str:
        """The way back as reports name it: by the program, where one does it."""
        return "pg_rewind" if self.method is RejoinAction.REWIND else str(self.method)

    @property
    def reason(self) -> str:
        """Why, in a clause."""
        if self.method is RejoinAction.FOLLOW:
            return f"its WAL ends at {self.end}, not past the fork"
        return f"it wrote {self.beyond} bytes and {self.commits} commits past the fork, to {self.end}"


def judge(data_directory: Path, timeline: int, fork: LSN) -> Verdict:
    """The verdict on a stopped node that was on timeline when the cluster forked at fork.

    Raises DrillFailed when its WAL does not reach back to the fork, and WalError when it cannot be read.
    """
    source = open_source(data_directory)
    run = _run_at(source, timeline, fork)
    end = verify_run(source, run).end_lsn
    if end <= fork:
        return Verdict(RejoinAction.FOLLOW, end, 0, 0)
    return Verdict(RejoinAction.REWIND, end, end - fork, _commits_past(source, run, fork))


def _run_at(source: WalSource, timeline: int, fork: LSN) -> Run:
    """The run of that timeline that reaches up to the fork's segment, or ends just before it."""
    for run in reversed(source.runs):
        if run.timeline == timeline and run.segments[0].start <= fork:
            return run
    raise DrillFailed(
        f"{source.path}: expected segments of timeline {timeline} up to the fork at {fork}; found none that old."
    )


def _commits_past(source: WalSource, run: Run, fork: LSN) -> int:
    first = fork.segment_number(source.segment_size)
    tail = Run(run.timeline, tuple(each for each in run.segments if each.number >= first))
    major = source.format.major
    return sum(
        rmgr_name(row.rmgr) == "Transaction" and record_name(major, row.rmgr, row.info) in _COMMITS
        for row in scan_run(source, tail).index
        if row.lsn >= fork
    )
