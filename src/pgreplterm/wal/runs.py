"""Segments in the order in which they are read.

Owns: which of several files of one segment is read, and where a run of segments is broken.
Must not: open files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pgreplterm.wal.timeline import TimelineHistory

if TYPE_CHECKING:
    from pgreplterm.wal.source import Segment


def one_of_each(segments: Iterable[Segment]) -> tuple[list[Segment], list[Segment]]:
    """For each timeline and number the best file, in order, and those that it hides.

    A whole file hides its ``.partial``, a plain one the compressed.
    """
    chosen: dict[tuple[int, int], Segment] = {}
    hidden = []
    for segment in sorted(segments, key=_preference):
        if chosen.setdefault((segment.timeline, segment.number), segment) is not segment:
            hidden.append(segment)
    return list(chosen.values()), hidden


def of_lineage(
    segments: Sequence[Segment], history: TimelineHistory, segment_size: int
) -> tuple[list[Segment], list[Segment]]:
    """For each number the file that recovery to the history's timeline reads, in order, and all others.

    Where a child's first file is not here (a server archives it when it is full), the ``.partial`` that the promotion
    left of its parent's last segment stands in: its WAL ends at the switchpoint. A whole file of the parent does not,
    for what it holds behind the switchpoint is not of this lineage.
    """
    best: dict[int, Segment] = {}
    for segment in sorted(segments, key=_preference):
        if segment.timeline == history.owner(segment.number, segment_size):
            best.setdefault(segment.number, segment)
    for segment in sorted(segments, key=_preference, reverse=True):
        left = history.end_of(segment.timeline)
        if segment.name.partial and left is not None and left // segment_size == segment.number:
            best.setdefault(segment.number, segment)
    chosen = [best[number] for number in sorted(best)]
    taken = {id(segment) for segment in chosen}
    return chosen, [segment for segment in segments if id(segment) not in taken]


def groups(segments: Sequence[Segment], *, across_timelines: bool) -> Iterator[tuple[Segment, ...]]:
    """Split where a number is missing, a file ends early, or, unless across_timelines, the timeline changes."""
    group: list[Segment] = []
    for segment in segments:
        if group and not _goes_on(group[-1], segment, across_timelines):
            yield tuple(group)
            group = []
        group.append(segment)
    if group:
        yield tuple(group)


def _goes_on(before: Segment, segment: Segment, across_timelines: bool) -> bool:
    if segment.number != before.number + 1 or before.is_cut:
        return False
    return segment.timeline == before.timeline or (across_timelines and not before.name.partial)


def _preference(segment: Segment) -> tuple[int, int, bool, bool, str]:
    name = segment.name
    return segment.timeline, segment.number, name.partial, name.compression is not None, segment.file.name
