"""What kind of end a run of segments has.

Owns: the evidence taken where reading ended, and the judgement on it.
Must not: walk; print. The sentences here are finished, the caller only shows them.

Evidence and judgement are apart because the evidence lies in the bytes and stays what it is, while the judgement
also depends on what lies beside them: a later segment, a history file, the state of the server.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgreplterm.wal.explain import break_text
from pgreplterm.wal.feed import Chunk
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.page import LONG_HEADER, PageHeader, read_page_header
from pgreplterm.wal.report import EndKind
from pgreplterm.wal.source import Run, Segment, WalSource
from pgreplterm.wal.walker import Break, Code, Walker

_WRITING = ("in production", "in archive recovery", "in crash recovery")
_HEADER_CODES = (Code.RECORD_LENGTH, Code.RECORD_RMGR, Code.RECORD_PREV)


@dataclass(frozen=True, slots=True)
class Reached:
    """Where reading ended. position is the next byte wanted, partial a record that goes on there, last the one before.

    stopped is why, and kind what lies behind, where no record was under way; both are None where the bytes ran out.
    timeline is that of the last page; segment the last one read, and length its bytes where its file ends early.
    """

    position: LSN
    partial: LSN | None
    last: LSN | None
    stopped: Break | None
    kind: EndKind | None
    timeline: int
    segment: int
    length: int | None

    @property
    def end_lsn(self) -> LSN:
        """The first LSN behind the last whole record."""
        return self.stopped.record if self.stopped else self.partial or self.position


def reached(source: WalSource, run: Run, walker: Walker, chunk: Chunk | None) -> Reached:
    """The evidence a walk leaves behind: its state, its last chunk, and the page it stopped at."""
    stopped, segment, length = walker.stopped, run.segments[-1], None
    if chunk is not None:
        segment = chunk.segment
        length = chunk.lsn + chunk.length + chunk.tail - segment.start if chunk.short else None
    kind = _kind(source, run, stopped) if stopped is not None and walker.partial is None else None
    return Reached(walker.position, walker.partial, walker.last, stopped, kind, walker.timeline, segment.number, length)


def exhausted(source: WalSource, run: Run, at: Reached, resumed: LSN) -> Break:
    """What was wrong where the bytes ran out, now that a record follows: the file's end, or a record's length."""
    if at.length is not None or at.partial is None:
        return Break(Code.NO_ERROR, at.position, at.end_lsn, 0, 0)
    begin = at.partial % source.page_size
    length = int.from_bytes(_page(source, run, at.partial)[begin : begin + 4], "little")
    return Break(Code.RECORD_LENGTH, at.partial, at.partial, resumed - at.partial, length)


def judge(source: WalSource, run: Run, at: Reached) -> tuple[EndKind, str]:
    """The kind of end, and its sentence."""
    segment = run.segments[at.segment - run.segments[0].number]
    if at.timeline > segment.timeline:
        return EndKind.DAMAGE, (
            f"damage: expected pages of timeline {segment.timeline} or its ancestors in {segment.file_name}, found "
            f"timeline {at.timeline}: the file has the name of another."
        )
    switch = _switchpoint(source, run)
    if switch is not None and _is_left(source, at, *switch):
        given_up = f", and the record at {at.partial} given up" if at.partial else ""
        return EndKind.SWITCHED, (
            f"timeline switch: timeline {run.timeline} was left at {switch[0]}, where timeline {switch[1]} "
            f"begins{given_up}."
        )
    if at.stopped is not None:
        return _stopped_end(source, run, at, at.stopped)
    return _exhausted_end(source, run, at)


# ---- the bytes ran out ----


def _exhausted_end(source: WalSource, run: Run, at: Reached) -> tuple[EndKind, str]:
    segment = run.segments[at.segment - run.segments[0].number]
    following = source.name_after(segment)
    if at.length is not None:
        return EndKind.CUT_FILE, (
            f"cut file: {segment.file_name} holds {at.length} bytes, expected {source.segment_size}; "
            f"the last whole record begins at {at.last or 'none'}."
        )
    if at.partial is not None and not source.single:
        return EndKind.MISSING_SEGMENT, (
            f"missing segment: the record at {at.partial} goes on in {following}, which is not here."
        )
    if source.later(run):
        return EndKind.MISSING_SEGMENT, f"missing segment: {following} is not here, but later ones are."
    rest = (
        f"the record at {at.partial} goes on in {following}"
        if at.partial is not None
        else f"the next record belongs into {following}"
    )
    return EndKind.SEGMENT_END, f"end of segment: every record in {segment.file_name} is whole; {rest}."


# ---- the walker stopped ----


def _stopped_end(source: WalSource, run: Run, at: Reached, stopped: Break) -> tuple[EndKind, str]:
    text = break_text(stopped)
    later = (segment for other in source.later(run) for segment in other.segments)
    beyond = next((segment for segment in later if is_reached(source, segment)), None)
    if beyond is not None:
        return EndKind.DAMAGE, f"damage: {text}; nothing more can be read up to {beyond.file_name}, where WAL goes on."
    if at.partial is not None and source.server_state in _WRITING and run is source.runs[-1]:
        return EndKind.UNFINISHED, (
            f"unfinished record: the record at {stopped.record} is not complete; pg_control says that the server is "
            f"{source.server_state}, so it is being written, or was when the server died."
        )
    if at.partial is not None:
        return EndKind.TORN, f"torn record: the record at {stopped.record} was never completed; {text}."
    if at.kind is EndKind.CLEAN:
        return EndKind.CLEAN, f"clean end: nothing was written at {stopped.record} and behind it."
    if at.kind is EndKind.RECYCLED:
        return EndKind.RECYCLED, (
            f"recycled tail: WAL ends at {stopped.record}; behind it lies what the file held before it was reused."
        )
    if at.kind is EndKind.TORN:
        return EndKind.TORN, f"torn record: {text}, and no record follows it."
    return EndKind.DAMAGE, f"damage: {text}, and no record follows it."


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
    header = _header(source, _page(source, run, following))
    return header is not None and header.address < following


# ---- timelines ----


def _switchpoint(source: WalSource, run: Run) -> tuple[LSN, int] | None:
    """Where a history file of this source says that the run's timeline was left, and for which one."""
    for history in source.histories:
        if history.ancestors and history.ancestors[-1].timeline == run.timeline:
            return history.ancestors[-1].switchpoint, history.timeline
    return None


def _is_left(source: WalSource, at: Reached, switchpoint: LSN, child: int) -> bool:
    """Whether reading got as far as the switchpoint.

    A server whose last record lacks its rest gives it up at the page where that should begin: there the new timeline
    starts, with a page that says so (src/test/recovery/t/043_no_contrecord_switch.pl).
    """
    if at.partial is None or at.partial >= switchpoint:
        return at.position >= switchpoint
    return at.position == switchpoint and _overwrites(source, child, switchpoint)


def _overwrites(source: WalSource, timeline: int, lsn: LSN) -> bool:
    """Whether the page that begins at lsn on that timeline gives up the record before it."""
    for run in source.runs:
        if run.timeline == timeline:
            header = _header(source, _page(source, run, lsn)) if lsn % source.page_size == 0 else None
            if header is not None and header.address == lsn:
                return bool(header.info & source.format.handle.overwrite_flag)
    return False


# ---- pages ----


def is_reached(source: WalSource, segment: Segment) -> bool:
    """Whether the stream has written the segment's first page or its last; an archive is not looked into.

    WAL that goes on through a segment has written its last page, and WAL that ends in it has written its first.
    """
    last = source.segment_size - source.page_size
    return segment.file.codec is not None or any(
        (header := _header(source, segment.read_at(offset, LONG_HEADER))) is not None
        and header.address == segment.start + offset
        for offset in (0, last)
    )


def _header(source: WalSource, page: bytes) -> PageHeader | None:
    """The page's header; None where no page of this major stands."""
    header = read_page_header(page)
    return header if header is not None and header.magic == source.format.magic else None


def _page(source: WalSource, run: Run, lsn: int) -> bytes:
    """The page that holds lsn; empty behind the last segment."""
    number = lsn // source.segment_size - run.segments[0].number
    if not 0 <= number < len(run.segments):
        return b""
    segment = run.segments[number]
    offset = (lsn - segment.start) // source.page_size * source.page_size
    return segment.read_at(offset, source.page_size)
