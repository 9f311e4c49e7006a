"""What verifying a run of segments found, as values.

Owns: the kinds of end, damage, the report on a run, and the list of what is unreadable between which LSNs.
Must not: read WAL, or judge it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pgreplterm.wal.explain import break_text, pages_text, size_text
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.source import Run
from pgreplterm.wal.walker import Break


class EndKind(StrEnum):
    """How a run of segments ends; docs/wal-ends.md says of each what to do."""

    CLEAN = "clean end"
    RECYCLED = "recycled tail"
    SEGMENT_END = "end of segment"
    SWITCHED = "timeline switch"
    UNFINISHED = "unfinished record"
    TORN = "torn record"
    DAMAGE = "damage"
    MISSING_SEGMENT = "missing segment"
    CUT_FILE = "cut file"
    RANGE_END = "end of range"
    INTERRUPTED = "interrupted"

    @property
    def is_finding(self) -> bool:
        """Something that a person should look at."""
        return self in (EndKind.TORN, EndKind.DAMAGE, EndKind.MISSING_SEGMENT, EndKind.CUT_FILE)


@dataclass(frozen=True, slots=True)
class Damage:
    """Unreadable WAL between two records: from the first LSN refused to the next record that was accepted.

    pages counts those that hold a byte of it: one where nothing but a page header is wrong.
    """

    at: Break
    resumed: LSN
    pages: int

    @property
    def code(self) -> str:
        """What is wrong, as one word: the walker's code, or the end of a file that others follow."""
        return self.at.code.name.lower() if self.at.code else "file_end"

    @property
    def size(self) -> int:
        """Bytes of WAL, page headers included, that no record could be read from."""
        return self.resumed - self.at.record

    @property
    def sentence(self) -> str:
        """What is wrong, where, and how much is lost."""
        lost = f"unreadable to {self.resumed} ({size_text(self.size)} on {pages_text(self.pages)})"
        return f"damage: {break_text(self.at)}; {lost if self.size else 'no record is lost by it'}."


def damage(at: Break, resumed: LSN, page_size: int) -> Damage:
    """The damage from a break to the record behind it; page_size in bytes counts its pages."""
    last = max(resumed - 1, at.lsn, at.record)
    return Damage(at, resumed, last // page_size - min(at.lsn, at.record) // page_size + 1)


@dataclass(frozen=True, slots=True)
class Counted:
    """What was read in one go: the first and last whole record, how many, their bytes, and the images in them."""

    first: LSN | None = None
    last: LSN | None = None
    records: int = 0
    record_bytes: int = 0
    images: int = 0
    image_bytes: int = 0

    def __add__(self, later: Counted) -> Counted:
        return Counted(
            self.first if self.first is not None else later.first,
            later.last if later.last is not None else self.last,
            self.records + later.records,
            self.record_bytes + later.record_bytes,
            self.images + later.images,
            self.image_bytes + later.image_bytes,
        )


@dataclass(frozen=True, slots=True)
class RunReport:
    """What verifying one run found. end_lsn is the first LSN behind the last whole record; bytes are record bytes."""

    run: Run
    first: LSN | None
    last: LSN | None
    end_lsn: LSN
    records: int
    record_bytes: int
    images: int
    image_bytes: int
    damages: tuple[Damage, ...]
    end: EndKind
    sentence: str

    @property
    def is_finding(self) -> bool:
        """Damage, or an end that a healthy archive does not have."""
        return bool(self.damages) or self.end.is_finding


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A stretch of a timeline that no record could be read from: start up to, not including, end.

    end and pages are None where nothing that could be read follows.
    """

    timeline: int
    start: LSN
    end: LSN | None
    pages: int | None
    cause: str

    @property
    def size(self) -> int | None:
        """Its length in bytes, page headers included."""
        return None if self.end is None else self.end - self.start


def run_report(
    run: Run, counted: Iterable[Counted], damages: Iterable[Damage], end_lsn: LSN, end: tuple[EndKind, str]
) -> RunReport:
    """The report on a run that was read in several goes, in order."""
    total = sum(counted, Counted())
    return RunReport(
        run,
        total.first,
        total.last,
        end_lsn,
        total.records,
        total.record_bytes,
        total.images,
        total.image_bytes,
        tuple(damages),
        *end,
    )


def unreadable(reports: Iterable[RunReport], page_size: int) -> list[Unreadable]:
    """Everything that could not be read, in the order of the reports: inside the runs, and between and behind them.

    Between two runs of one timeline WAL is missing: from the end of the first to the first record of the next that
    has any. page_size is in bytes.
    """
    found: list[Unreadable] = []
    firsts: dict[int, LSN] = {}
    for report in reversed(list(reports)):
        timeline = report.run.timeline
        resumed = firsts.get(timeline)
        if resumed is not None and report.first is not None:
            pages = (resumed - 1) // page_size - report.end_lsn // page_size + 1
            found.append(Unreadable(timeline, report.end_lsn, resumed, pages, report.sentence))
        elif resumed is None and report.end.is_finding:
            found.append(Unreadable(timeline, report.end_lsn, None, None, report.sentence))
        for each in reversed(report.damages):
            if each.size:
                found.append(Unreadable(timeline, each.at.record, each.resumed, each.pages, each.sentence))
        if report.first is not None:
            firsts[timeline] = report.first
    return found[::-1]
