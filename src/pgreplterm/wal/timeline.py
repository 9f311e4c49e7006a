"""Timeline history files: where each timeline left its parent.

Owns: parsing ``TTTTTTTT.history`` as the server does, lineage of a timeline, and the fork point of two lineages.
Must not: fetch the files; callers bring the text.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgreplterm.wal.lsn import LSN


@dataclass(frozen=True, slots=True)
class TimelineSwitch:
    """One ancestor: its id, the LSN at which its child began (first byte not shared), and the writer's reason."""

    timeline: int
    switchpoint: LSN
    reason: str


@dataclass(frozen=True, slots=True)
class TimelineHistory:
    """A timeline and its ancestors, oldest first. Timeline 1 has no ancestors and no file."""

    timeline: int
    ancestors: tuple[TimelineSwitch, ...] = ()

    def end_of(self, timeline: int) -> LSN | None:
        """Where this lineage left that ancestor; None when it never was on it, or still is."""
        return next((step.switchpoint for step in self.ancestors if step.timeline == timeline), None)

    def owner(self, number: int, segment_size: int) -> int:
        """The timeline whose file recovery reads for that segment number (segment_size in bytes).

        It is the newest that had begun by the segment's end: a promotion copies the segment of the switchpoint, up to
        it, into the child's first file (XLogFileReadAnyTLI in xlogrecovery.c, XLogInitNewTimeline in xlog.c).
        """
        begun = [step.switchpoint // segment_size for step in self.ancestors]
        timelines = [*(step.timeline for step in self.ancestors), self.timeline]
        return timelines[sum(first <= number for first in begun)]


def history_file_name(timeline: int) -> str:
    """The name in pg_wal of that timeline's history file."""
    return f"{timeline:08X}.history"


def parse_history(timeline: int, text: str) -> TimelineHistory:
    """Read the text of ``TTTTTTTT.history``. Raises ValueError naming the line.

    The rules are readTimeLineHistory's (src/backend/access/transam/timeline.c): blank lines and lines that
    start with ``#`` are skipped, three fields, ids strictly increasing and below the file's own. A reason
    may hold newlines of its own, which the server writes and its reader then takes for lines; a line that
    does not begin with a timeline id therefore continues the reason before it.
    """
    steps: list[TimelineSwitch] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split(None, 2)
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 2 or not words[0].isdigit() or "/" not in words[1]:
            if not steps:
                raise ValueError(f"line {number}: expected 'timeline LSN reason', found {line!r}")
            last = steps[-1]
            steps[-1] = TimelineSwitch(last.timeline, last.switchpoint, f"{last.reason} {line.strip()}")
            continue
        parent = int(words[0])
        if parent >= timeline or (steps and parent <= steps[-1].timeline):
            raise ValueError(f"line {number}: expected an ancestor of timeline {timeline}, found {parent}")
        steps.append(TimelineSwitch(parent, LSN.parse(words[1]), words[2].strip() if len(words) > 2 else ""))
    return TimelineHistory(timeline, tuple(steps))


@dataclass(frozen=True, slots=True)
class Fork:
    """Where two lineages part: the last timeline they share and the first LSN they may not share."""

    timeline: int
    lsn: LSN


def fork_point(left: TimelineHistory, left_end: LSN, right: TimelineHistory, right_end: LSN) -> Fork | None:
    """The common point of two lineages, each ending at its own LSN; None when they share no timeline.

    Two nodes on one timeline part at the smaller of their ends, which is no divergence, only distance.
    """
    shared: Fork | None = None
    for mine, theirs in zip(_spans(left, left_end), _spans(right, right_end), strict=False):
        if mine[0] != theirs[0]:
            break
        shared = Fork(mine[0], min(mine[1], theirs[1]))
        if mine[1] != theirs[1]:
            break
    return shared


def _spans(history: TimelineHistory, end: LSN) -> list[tuple[int, LSN]]:
    return [(step.timeline, step.switchpoint) for step in history.ancestors] + [(history.timeline, end)]
