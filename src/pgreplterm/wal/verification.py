"""Every record's CRC and chain, and what kind of end each run of segments has.

Owns: telling the ends of WAL apart, and going on behind damage.
Must not: print; the sentences here are finished, the caller only shows them.

A reader of WAL stops at the first byte that cannot be a record, and every stream ends that way. Whether that is the
end or a hole shows only in what follows: a later record whose xl_prev is the last good record, or lies behind it,
proves that the stream went on (src/backend/access/transam/xlogreader.c has no such notion; pg_waldump just stops).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pgreplterm._walscan import lib
from pgreplterm.wal.explain import break_text, size_text
from pgreplterm.wal.feed import Chunk, chunks
from pgreplterm.wal.files import read_at
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.page import LONG_HEADER, read_page_header
from pgreplterm.wal.scan import advance, new_walker
from pgreplterm.wal.source import Run, Segment, WalSource
from pgreplterm.wal.walker import Break, Code, Rows, Walker

_CANDIDATES_TRIED = 1000
_WRITING = ("in production", "in archive recovery", "in crash recovery")
_CHASES = 3  # how often the end of a file that grows is followed


class EndKind(StrEnum):
    """How a run of segments ends."""

    CLEAN = "clean end"
    RECYCLED = "recycled tail"
    SEGMENT_END = "end of segment"
    SWITCHED = "timeline switch"
    UNFINISHED = "unfinished record"
    TORN = "torn record"
    DAMAGE = "damage"
    MISSING_SEGMENT = "missing segment"
    CUT_FILE = "cut file"

    @property
    def is_finding(self) -> bool:
        """Something that a person should look at."""
        return self in (EndKind.TORN, EndKind.DAMAGE, EndKind.MISSING_SEGMENT, EndKind.CUT_FILE)


@dataclass(frozen=True, slots=True)
class Damage:
    """Unreadable WAL between two records: from the first LSN refused to the next record that was accepted."""

    at: Break
    resumed: LSN

    @property
    def sentence(self) -> str:
        """What is wrong, where, and how much is lost."""
        lost = self.resumed - self.at.record
        what = f"unreadable to {self.resumed} ({size_text(lost)})" if lost else "no record is lost by it"
        return f"damage: {break_text(self.at)}; {what}."


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


def verify(source: WalSource) -> Iterator[RunReport]:
    """Verify each run of the source. Raises WalError when a file cannot be read."""
    for run in source.runs:
        yield verify_run(source, run)


def verify_run(source: WalSource, run: Run) -> RunReport:
    """Walk one run to its end, and on behind every damage that later records prove."""
    walk = RunWalk(source, run, collect=False)
    for _ in walk:
        pass
    return walk.report


class RunWalk:
    """One run, walked to its end and on behind damage: iterate for its rows, then ask for the report.

    Without collect nothing is yielded but empty rows. Raises WalError when a file cannot be read.
    """

    def __init__(self, source: WalSource, run: Run, *, collect: bool) -> None:
        self._source, self._run, self._collect = source, run, collect
        self._report: RunReport | None = None

    @property
    def report(self) -> RunReport:
        """What was found; there once the iteration has ended."""
        assert self._report is not None, "iterate to the end first"
        return self._report

    def __iter__(self) -> Iterator[Rows]:
        source, run = self._source, self._run
        walkers: list[Walker] = []
        damages: list[Damage] = []
        start, chased = run.segments[0].start, 0
        while True:
            walker = new_walker(source, start, collect=self._collect)
            walkers.append(walker)
            last_chunk = yield from advance(source, run, walker)
            resumed = _resume(source, run, walker)
            end = _end(source, run, walker, last_chunk)
            # Asked last: whatever was read after the stop may have been written after it, too.
            growing = _has_grown(source, run, walker)
            if growing and chased < _CHASES:
                chased, start = chased + 1, walker.partial or walker.position
            elif growing or resumed is None or walker.stopped is None:
                break
            else:
                damages.append(Damage(walker.stopped, resumed))
                start = resumed
        if growing:
            end = EndKind.CLEAN, f"clean end: read to {walker.position}; the server is writing on."
        self._report = _report(run, walkers, tuple(damages), *end)


def _report(run: Run, walkers: list[Walker], damages: tuple[Damage, ...], end: EndKind, sentence: str) -> RunReport:
    walker = walkers[-1]
    return RunReport(
        run=run,
        first=next((each.first for each in walkers if each.first is not None), None),
        last=next((each.last for each in reversed(walkers) if each.last is not None), None),
        end_lsn=walker.stopped.record if walker.stopped else walker.partial or walker.position,
        records=sum(each.records for each in walkers),
        record_bytes=sum(each.record_bytes for each in walkers),
        images=sum(each.images for each in walkers),
        image_bytes=sum(each.image_bytes for each in walkers),
        damages=damages,
        end=end,
        sentence=sentence,
    )


def _has_grown(source: WalSource, run: Run, walker: Walker) -> bool:
    """Whether a second look gets past the break: a server has written there since the first.

    The look begins at the last good record and on its timeline, so that a page header that is really wrong still
    stops it.
    """
    if walker.stopped is None:
        return False
    start = walker.last or run.segments[0].start
    again = new_walker(source, start, collect=False, timeline=walker.timeline if walker.last else 0)
    wanted = 2 if walker.last else 1
    for chunk in chunks(source, run, again.position):
        if not again.push(chunk.lsn, chunk.data, chunk.length) or again.records >= wanted:
            break
    return again.records >= wanted


def _resume(source: WalSource, run: Run, walker: Walker) -> LSN | None:
    """The first later record that proves the stream went on behind the break, or None.

    Its xl_prev is the last good record or a later one; that of what an earlier use of the file left is older.
    """
    stopped = walker.stopped
    if stopped is None:
        return None
    page_refused = stopped.lsn != stopped.record and walker.partial is None
    after = stopped.record if page_refused else stopped.record + 8
    floor = walker.last or LSN(1)
    tried = 0
    for chunk in chunks(source, _rest_of(source, run, after), after):
        begin = max(after, chunk.lsn)
        while candidate := _next_header(source, chunk, begin, floor):
            if _is_record(source, run, candidate):
                return candidate
            tried += 1
            if tried == _CANDIDATES_TRIED:
                return None
            begin = candidate + 8
    return None


def _rest_of(source: WalSource, run: Run, lsn: int) -> Run:
    """The run from the segment that holds lsn on, without the segments that were never reached.

    WAL that goes on through a segment has written its last page, and WAL that ends in it has written its first; a
    server keeps many that are neither, and reading all of them would take longer than reading its WAL.
    """
    ahead = [each for each in run.segments if each.start + source.segment_size > lsn]
    return Run(run.timeline, (*ahead[:1], *(each for each in ahead[1:] if _is_reached(source, each))))


def _is_reached(source: WalSource, segment: Segment) -> bool:
    last = source.segment_size - source.page_size
    return segment.name.compression is not None or any(
        _page_address(source, segment.path, offset) == segment.start + offset for offset in (0, last)
    )


def _page_address(source: WalSource, path: Path, offset: int) -> int | None:
    """The address in the page header at that offset of a file; None where no page of this major stands."""
    header = read_page_header(read_at(path, offset, LONG_HEADER))
    return header.address if header is not None and header.magic == source.format.magic else None


def _next_header(source: WalSource, chunk: Chunk, begin: int, floor: int) -> LSN | None:
    found = lib.walscan_find_header(
        source.format.handle, source.page_size, chunk.lsn, chunk.data, chunk.length, begin, floor
    )
    return LSN(found) if found else None


def _is_record(source: WalSource, run: Run, lsn: LSN) -> bool:
    """Whether a whole record with a right CRC begins at lsn."""
    walker = new_walker(source, lsn, collect=False)
    for chunk in chunks(source, run, lsn):
        if not walker.push(chunk.lsn, chunk.data, chunk.length) or walker.records:
            break
    return walker.records > 0


def _end(source: WalSource, run: Run, walker: Walker, chunk: Chunk | None) -> tuple[EndKind, str]:
    switch = _switchpoint(source, run)
    if switch is not None and (walker.partial or walker.position) >= switch[0]:
        return EndKind.SWITCHED, (
            f"timeline switch: timeline {run.timeline} was left at {switch[0]}, where timeline {switch[1]} begins."
        )
    if walker.stopped is not None:
        return _stopped_end(source, run, walker, walker.stopped)
    return _exhausted_end(source, run, walker, chunk)


def _switchpoint(source: WalSource, run: Run) -> tuple[LSN, int] | None:
    """Where a history file of this source says that the run's timeline was left, and for which one."""
    for history in source.histories:
        if history.ancestors and history.ancestors[-1].timeline == run.timeline:
            return history.ancestors[-1].switchpoint, history.timeline
    return None


def _exhausted_end(source: WalSource, run: Run, walker: Walker, chunk: Chunk | None) -> tuple[EndKind, str]:
    segment = run.segments[-1] if chunk is None else chunk.segment
    following = source.segment_name(run.timeline, segment.number + 1)
    if chunk is not None and chunk.short:
        length = chunk.lsn + chunk.length + chunk.tail - segment.start
        return EndKind.CUT_FILE, (
            f"cut file: {segment.file_name} holds {length} bytes, expected {source.segment_size}; "
            f"the last whole record begins at {walker.last or 'none'}."
        )
    later = any(other.timeline == run.timeline and other.segments[0].number > segment.number for other in source.runs)
    if walker.partial is not None and not source.single:
        return EndKind.MISSING_SEGMENT, (
            f"missing segment: the record at {walker.partial} goes on in {following}, which is not here."
        )
    if later:
        return EndKind.MISSING_SEGMENT, f"missing segment: {following} is not here, but later ones are."
    rest = (
        f"the record at {walker.partial} goes on in {following}"
        if walker.partial is not None
        else f"the next record belongs into {following}"
    )
    return EndKind.SEGMENT_END, f"end of segment: every record in {segment.file_name} is whole; {rest}."


def _stopped_end(source: WalSource, run: Run, walker: Walker, stopped: Break) -> tuple[EndKind, str]:
    text = break_text(stopped)
    if walker.partial is not None and source.server_state in _WRITING and run is source.runs[-1]:
        return EndKind.UNFINISHED, (
            f"unfinished record: the record at {stopped.record} is not complete; pg_control says that the server is "
            f"{source.server_state}, so it is being written, or was when the server died."
        )
    if walker.partial is not None:
        return EndKind.TORN, f"torn record: the record at {stopped.record} was never completed; {text}."
    kind = _kind(source, run, stopped)
    if kind is EndKind.CLEAN:
        return kind, f"clean end: nothing was written at {stopped.record} and behind it."
    if kind is EndKind.RECYCLED:
        return kind, (
            f"recycled tail: WAL ends at {stopped.record}; behind it lies what the file held before it was reused."
        )
    if kind is EndKind.TORN:
        return kind, f"torn record: {text}, and no record follows it."
    return kind, f"damage: {text}, and no record follows it."


_HEADER_CODES = (Code.RECORD_LENGTH, Code.RECORD_RMGR, Code.RECORD_PREV)


def _kind(source: WalSource, run: Run, stopped: Break) -> EndKind:
    """Judge a break behind which no record follows, and no record was under way."""
    page = _page(source, run, stopped.lsn)
    if stopped.code is Code.PAGE_ADDRESS and stopped.found < stopped.expected:
        return EndKind.RECYCLED
    if stopped.code is Code.PAGE_MAGIC and stopped.found == 0 and not any(page):
        return EndKind.CLEAN
    if stopped.code in _HEADER_CODES:
        rest = page[stopped.record % source.page_size :]
        if not any(rest):
            return EndKind.CLEAN
        return EndKind.RECYCLED if _next_page_is_recycled(source, run, stopped.lsn) else EndKind.TORN
    return EndKind.TORN if stopped.code is Code.RECORD_CRC else EndKind.DAMAGE


def _next_page_is_recycled(source: WalSource, run: Run, lsn: int) -> bool:
    """Whether the page after this one carries the address of an earlier use of the file."""
    following = lsn - lsn % source.page_size + source.page_size
    header = read_page_header(_page(source, run, following))
    return header is not None and header.magic == source.format.magic and header.address < following


def _page(source: WalSource, run: Run, lsn: int) -> bytes:
    """The page that holds lsn; empty behind the last segment."""
    for segment in run.segments:
        if segment.start <= lsn < segment.start + source.segment_size:
            offset = (lsn - segment.start) // source.page_size * source.page_size
            return read_at(segment.path, offset, source.page_size)
    return b""
