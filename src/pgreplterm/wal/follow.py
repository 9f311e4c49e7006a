"""Reading across promotions: the segments that recovery to a timeline would read, as one run.

Owns: choosing the timeline, and the error for a history that is not here. Must not: read segments.

In the file of a timeline's first segment everything up to the switchpoint is a copy of the parent's, so a reader that
takes each segment from the newest timeline of the lineage sees every record once, on pages whose timeline never falls.
"""

from __future__ import annotations

from dataclasses import replace

from pgreplterm.wal.errors import WalError
from pgreplterm.wal.runs import groups, of_lineage
from pgreplterm.wal.source import Run, WalSource
from pgreplterm.wal.timeline import TimelineHistory, history_file_name


def follow(source: WalSource, timeline: int | None = None) -> WalSource:
    """The source read as recovery with that ``recovery_target_timeline`` reads it; None is ``latest``.

    Raises WalError when nothing of that timeline is here, or the history that joins it to the others is missing.
    """
    every, present = (*source.segments, *source.aside), _present(source)
    target = max(present) if timeline is None else timeline
    if target not in present:
        found = ", ".join(str(each) for each in sorted(present))
        raise WalError(f"{source.path}: expected timeline {target}; found {found}.")
    history = _history(source, target, present)
    chosen, aside = of_lineage(every, history, source.segment_size)
    if not chosen:
        raise WalError(f"{source.path}: expected segments of timeline {target} or its ancestors; found none.")
    runs = tuple(Run(group[-1].timeline, group) for group in groups(chosen, across_timelines=True))
    return replace(source, runs=runs, aside=tuple(aside), lineage=history)


def can_follow(source: WalSource) -> bool:
    """Whether there is a promotion to follow, and the history of the newest timeline is here."""
    present = _present(source)
    return len(present) > 1 and any(history.timeline == max(present) for history in source.histories)


def _present(source: WalSource) -> set[int]:
    """The timelines of which a segment or a history is here."""
    segments = {segment.timeline for segment in (*source.segments, *source.aside)}
    return segments | {history.timeline for history in source.histories}


def _history(source: WalSource, timeline: int, present: set[int]) -> TimelineHistory:
    """A timeline that stands alone needs no file to say where it comes from."""
    found = next((history for history in source.histories if history.timeline == timeline), None)
    if found is not None:
        return found
    if timeline > min(present):
        raise WalError(
            f"{source.path}: expected {history_file_name(timeline)}, which says where timeline {timeline} left its "
            "parent; it is not here. Restore it, or read one timeline at a time."
        )
    return TimelineHistory(timeline)
