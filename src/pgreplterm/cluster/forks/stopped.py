"""A server that is down, as its data directory tells it: where its WAL ends, and what a rewind would find.

Owns: reading pg_control, the histories and the WAL to its end, as recovery would. Must not: change or start anything,
or judge.

pg_control cannot say where a killed server's WAL ends (its last checkpoint lies before that), so the segments are
read. What a standby received and never replayed counts: recovery would replay it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pgreplterm.cluster.forks.beginnings import PAGES, beginning, places
from pgreplterm.cluster.forks.common_checkpoint import last_checkpoint
from pgreplterm.cluster.forks.grounds import Beginning, LineageEvidence, RewindGrounds
from pgreplterm.cluster.forks.lineage import Lineage
from pgreplterm.cluster.forks.member import Member
from pgreplterm.wal.control import ControlFile, read_control
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.follow import follow
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.page import LONG_HEADER, SHORT_HEADER
from pgreplterm.wal.source import Run, WalSource, open_source
from pgreplterm.wal.timeline import TimelineHistory
from pgreplterm.wal.verification import RunWalk


@dataclass(frozen=True, slots=True)
class StoppedNode:
    """A data directory that was read. has_pid_file: postmaster.pid is there, so a server may be running in it."""

    name: str
    directory: Path
    control: ControlFile
    source: WalSource  # followed to its timeline
    run: Run  # the one that holds its last checkpoint
    end: LSN
    beginnings: LineageEvidence
    has_pid_file: bool

    @property
    def timeline(self) -> int:
        """The timeline its WAL ends on."""
        return self._history.timeline

    def member(self, fork: LSN | None = None) -> Member:
        """As a verdict needs it; with fork (LSN) together with what a rewind to there would need."""
        evidence = self.beginnings if fork is None else replace(self.beginnings, rewind=self._grounds(fork))
        return Member(
            name=self.name,
            system_identifier=self.control.system_identifier,
            major=self.source.format.major,
            lineage=Lineage(self._history, self.end, evidence.beginnings),
            evidence=evidence,
            control_timeline=self.control.timeline,
            timeline=self.timeline,
        )

    @property
    def _history(self) -> TimelineHistory:
        assert self.source.lineage is not None
        return self.source.lineage

    def _grounds(self, fork: LSN) -> RewindGrounds:
        control, found = self.control, None
        if control.checkpoint < fork:
            found = control.checkpoint
        elif self.run.segments[0].start < fork:
            found = last_checkpoint(self.source, self.run, fork)
        return RewindGrounds(
            fork_lsn=fork,
            wal_log_hints=control.wal_log_hints,
            has_checksums=control.has_checksums,
            full_page_writes=control.full_page_writes,
            common_checkpoint=found,
            reaches_back=found is not None,
        )


def stopped_node(directory: Path, name: str | None = None) -> StoppedNode:
    """Read a data directory to the end of its WAL. Raises WalError when that cannot be done."""
    control = read_control(directory)
    every = open_source(directory)
    source = follow(every, _newest(every, control))
    run = _run_with(source, control.redo)
    walk = RunWalk(source, run, collect=False, start=control.redo)
    for _ in walk:
        pass
    assert source.lineage is not None
    return StoppedNode(
        name=name or str(directory),
        directory=directory,
        control=control,
        source=source,
        run=run,
        end=_before_page_header(walk.report.end_lsn, source.page_size),
        beginnings=_beginnings(every, source, run),
        has_pid_file=(directory / "postmaster.pid").exists(),
    )


def _newest(every: WalSource, control: ControlFile) -> int:
    """The timeline that recovery would end on: pg_rewind may leave segments of one whose history file it removed."""
    segments = {segment.timeline for segment in (*every.segments, *every.aside)}
    known = {history.timeline for history in every.histories} | {control.timeline}
    return max(segments & known, default=max(segments))


def _run_with(source: WalSource, redo: LSN) -> Run:
    for run in source.runs:
        if run.segments[0].start <= redo < run.segments[-1].start + source.segment_size:
            return run
    raise WalError(
        f"{source.path}: expected the segment of {redo}, where recovery would begin by pg_control; it is not here."
    )


def _before_page_header(end: LSN, page_size: int) -> LSN:
    """Where the server says that WAL ends: at the page's first byte, not behind a header that follows."""
    return LSN(end - end % page_size) if end % page_size in (SHORT_HEADER, LONG_HEADER) else end


def _beginnings(every: WalSource, followed: WalSource, run: Run) -> LineageEvidence:
    assert followed.lineage is not None
    segments = {segment.file_name: segment for segment in (*every.segments, *every.aside)}
    found: list[Beginning] = []
    hidden = None
    for place in places(followed.lineage, followed.segment_size):
        segment = segments.get(place.segment)
        one = None if segment is None else beginning(place, segment.read_at(place.offset, PAGES))
        if one is not None:
            found.append(one)
        elif hidden is None:
            hidden = f"the segment in which timeline {place.timeline} began ({place.segment}) is gone"
    return LineageEvidence(tuple(found), hidden, oldest_wal=run.segments[0].start)
