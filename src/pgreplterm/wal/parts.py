"""Which parts of a source a choice is about: the runs that hold its LSNs, and the LSNs that its times mean.

Owns: turning a time range into LSNs, leaving out runs and segments outside, and the error when nothing is left.
Must not: choose single records; that is Choice.keep.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pgreplterm.wal.choice import Choice
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.source import Run, WalSource

if TYPE_CHECKING:
    from pgreplterm.wal.times import Bounds


@dataclass(frozen=True, slots=True)
class Part:
    """A run, and the choice in it, bounded by LSNs only. remarks are what its times turned out to mean."""

    run: Run
    choice: Choice
    remarks: tuple[str, ...] = ()


def parts(source: WalSource, choice: Choice) -> list[Part]:
    """Each run that holds what is chosen, in order; all of them when nothing bounds the choice.

    Raises WalError when the bounds leave nothing, naming what is there, or when a file cannot be read.
    """
    held = [run for run in source.runs if within(source, run, choice.start, choice.end).segments]
    if source.runs and not held:
        raise WalError(f"{source.path}: expected WAL {_asked(choice)}; found {_present(source)}.")
    found = [part for run in held if (part := _part(source, run, choice)) is not None]
    if held and not found:
        raise WalError(
            f"{source.path}: expected transactions that ended {_asked_times(choice)}; found none in {_present(source)}."
        )
    return found


def within(source: WalSource, run: Run, start: LSN | None, end: LSN | None) -> Run:
    """The run with only those of its segments that hold bytes from start on and before end (LSNs)."""
    return Run(
        run.timeline,
        tuple(
            segment
            for segment in run.segments
            if (start is None or segment.start + source.segment_size > start) and (end is None or segment.start < end)
        ),
    )


def _part(source: WalSource, run: Run, choice: Choice) -> Part | None:
    if choice.since is None and choice.until is None:
        return Part(run, choice)
    from pgreplterm.wal.times import bounds

    found = bounds(source, within(source, run, choice.start, choice.end), choice.since, choice.until)
    if found is None:
        return None
    start, end = _later(choice.start, found.start), _earlier(choice.end, found.end)
    if start is not None and end is not None and start >= end:
        return None
    bounded = replace(choice, start=start, end=end, since=None, until=None)
    return Part(run, bounded, tuple(_remarks(choice, bounded, run, found)))


def _later(one: LSN | None, other: LSN | None) -> LSN | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _earlier(one: LSN | None, other: LSN | None) -> LSN | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _remarks(choice: Choice, bounded: Choice, run: Run, found: Bounds) -> list[str]:
    from pgreplterm.wal.times import time_of

    begin = f"LSN {bounded.start}" if bounded.start is not None else "its beginning"
    end = f"LSN {bounded.end}" if bounded.end is not None else "its end"
    remarks = [f"transactions of timeline {run.timeline} that ended {_asked_times(choice)} lie from {begin} to {end}."]
    if found.fell is not None:
        one, other = found.fell
        remarks.append(
            f"commit times go backwards: {time_of(one.time)} at {one.lsn}, {time_of(other.time)} at {other.lsn}; the "
            "range is one of several that the times could mean, so compare with --start and --end."
        )
    return remarks


def _asked(choice: Choice) -> str:
    words = [f"from {choice.start} on"] if choice.start is not None else []
    return " and ".join([*words, f"before {choice.end}"] if choice.end is not None else words)


def _asked_times(choice: Choice) -> str:
    words = [f"from {choice.since}"] if choice.since is not None else []
    return " ".join([*words, f"up to {choice.until}"] if choice.until is not None else words)


def _present(source: WalSource) -> str:
    spans = [f"{run.segments[0].start} to {run.segments[-1].start + source.segment_size}" for run in source.runs]
    return ", ".join(spans if len(spans) <= 3 else [spans[0], "...", spans[-1]])
