"""What the tests of ends and of damage share: a healthy beginning, and how a verdict is checked.

Owns: the small stream they all begin with. Must not: hold cases.
"""

from __future__ import annotations

from pathlib import Path

from pgreplterm import wal
from pgreplterm.wal import LSN, EndKind, RunReport

from .builder import Wal, noop_of
from .corpus import MB

PAGE = 8192


def stream(major: int = 18, **options: int) -> Wal:
    """A healthy beginning: a few records on the first page of a segment of 1 MB."""
    built = Wal(major, start=5 * MB, segment_size=MB, **options)
    for length in (24, 100, 56):
        built.append(noop_of(length))
    return built


def judge(built: Wal, folder: Path) -> RunReport:
    """Write the stream and verify the one run it makes."""
    built.write(folder)
    return verify(folder)


def verify(path: Path) -> RunReport:
    """The report on the only run below path."""
    (report,) = wal.verify(wal.open_source(path))
    return report


def assert_end(report: RunReport, kind: EndKind, lsn: int) -> None:
    """That end, there, named in its sentence, a finding or not as its kind is, and no damage before it."""
    assert (report.end, report.end_lsn, report.damages) == (kind, lsn, ()), report.sentence
    assert report.sentence.startswith(f"{kind}: ")
    assert str(LSN(lsn)) in report.sentence
    healthy = {EndKind.CLEAN, EndKind.RECYCLED, EndKind.SEGMENT_END, EndKind.SWITCHED}
    assert report.is_finding is (kind not in healthy)


def assert_damage(report: RunReport, lsn: int, resumed: int) -> None:
    """One damage: the record it hit and the next one that is whole, both named in its sentence."""
    assert [(int(d.at.record), int(d.resumed)) for d in report.damages] == [(lsn, resumed)], report.sentence
    assert str(LSN(lsn)) in report.damages[0].sentence
    assert str(LSN(resumed)) in report.damages[0].sentence
    assert report.is_finding
