"""Where WAL comes from: segments found in a store, and what their first page says.

Owns: opening a path or a URL, the segments and their runs, histories and pg_control beside them.
Must not: judge records, or read more of a segment than its first page header.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from pgreplterm.wal.control import ControlFile, parse_control
from pgreplterm.wal.errors import WalDeniedError, WalError, unreadable
from pgreplterm.wal.files import StoredFile
from pgreplterm.wal.format import WalFormat
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.page import LONG_HEADER, PageHeader, read_first_page, read_page_header
from pgreplterm.wal.runs import groups, one_of_each
from pgreplterm.wal.segment import SegmentName, parse_segment_name, segment_name
from pgreplterm.wal.stores.codecs import ZeroFilled, codec_of, tar_codec
from pgreplterm.wal.stores.find import Finding, find_wal, open_tar
from pgreplterm.wal.stores.local import LocalFolder
from pgreplterm.wal.stores.store import Store, WalGoneError
from pgreplterm.wal.timeline import TimelineHistory, parse_history

_ZERO_HEADER = bytes(LONG_HEADER)
_EXPECTED = "a WAL segment, an archive of segments, a pg_wal folder or a data directory"
_CONTROL = "global/pg_control"
_CONTROL_SIZE = 8192
_CONTROL_TRIES = 5  # a server may be writing it while we read
_HISTORY_LIMIT = 1 << 20
DEFAULT_BLOCK_SIZE = 8192


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment and the file that holds it. number counts from LSN 0; size is that of a whole segment, in bytes."""

    file: StoredFile
    name: SegmentName
    number: int
    start: LSN
    size: int

    @property
    def timeline(self) -> int:
        """The timeline in the file's name; its first pages may still carry the parent's."""
        return self.name.timeline

    @property
    def file_name(self) -> str:
        """The name as it stands in the folder."""
        return self.file.base

    @property
    def where(self) -> str:
        """The file as sentences name it."""
        return self.file.where

    @property
    def stored_size(self) -> int:
        """What the file takes in its store, in bytes."""
        return self.file.size

    @property
    def is_cut(self) -> bool:
        """The file is shorter than its segment. Unknown, and therefore False, of a compressed one."""
        return self.file.codec is None and self.file.size < self.size

    def open(self, offset: int = 0) -> IO[bytes]:
        """The segment's bytes from offset on; a plain local file is a raw ``io.FileIO``. Raises WalError.

        A compressed file that its writer has not closed ends in zeros, as an uncompressed one does.
        """
        stream = self.file.open(offset)
        if self.file.codec is not None and self.file.unfinished:
            return ZeroFilled(stream, self.size - offset)  # type: ignore[return-value]
        return stream

    def read_at(self, offset: int, length: int) -> bytes:
        """length bytes (fewer at the end of the file) from offset in the segment. Raises WalError."""
        data = self.file.read_at(offset, length)
        if self.file.codec is not None and self.file.unfinished:
            return data.ljust(min(length, self.size - offset), b"\0")
        return data


@dataclass(frozen=True, slots=True)
class Run:
    """Segments without a gap, in order. timeline is that of the last; earlier ones may be of its ancestors."""

    timeline: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class WalSource:
    """What a path holds. Sizes in bytes; block_size is the cluster's BLCKSZ (8192 unless pg_control says else).

    Without a lineage each run is of one timeline. With one (see ``follow``) the runs are what recovery to its timeline
    reads. aside are the segments in no run: copies that a better file hides, and what the lineage does not read.
    """

    path: str  # as sentences name it; holds no password
    format: WalFormat
    segment_size: int
    page_size: int
    block_size: int
    system_identifier: int
    server_state: str | None  # pg_controldata's word, where a pg_control lies beside it
    runs: tuple[Run, ...]
    histories: tuple[TimelineHistory, ...]
    single: bool  # one file was named, not a folder
    aside: tuple[Segment, ...] = ()
    lineage: TimelineHistory | None = None

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All segments that are read, in their order."""
        return tuple(segment for run in self.runs for segment in run.segments)

    def segment_name(self, timeline: int, number: int) -> str:
        """The name a segment of this source has."""
        return segment_name(timeline, number, self.segment_size)

    def name_after(self, segment: Segment) -> str:
        """The name of the segment that is read behind this one, whether it is here or not."""
        number = segment.number + 1
        timeline = self.lineage.owner(number, self.segment_size) if self.lineage else segment.timeline
        return self.segment_name(timeline, number)

    def later(self, run: Run) -> tuple[Run, ...]:
        """The runs that belong behind this one in the same stream; what lies between is not here, or is cut."""
        return tuple(
            other
            for other in self.runs
            if (self.lineage is not None or other.timeline == run.timeline)
            and other.segments[0].number > run.segments[-1].number
        )


def open_source(path: Path | str) -> WalSource:
    """Look at a segment, a folder of segments, a data directory, a tar archive, or a URL that fsspec knows.

    Raises WalError when it is missing, unreadable, or holds no WAL of a supported major.
    """
    if isinstance(path, str):
        from pgreplterm.wal.stores.objects import is_url, open_url

        if is_url(path):
            store, name, size = open_url(path)
            return open_store_file(store, name, size) if name else open_store(store)
        path = Path(path)
    try:
        if path.is_dir():
            return _open_found(find_wal(*_rooted(path)))
        status = path.stat()
    except OSError as error:
        raise unreadable(path, _EXPECTED, error) from error
    if not stat.S_ISREG(status.st_mode):  # a pipe would make us wait for its writer
        raise WalError(f"{path}: expected {_EXPECTED}; found a device or a pipe.")
    local, folder = _rooted(path.parent)
    return open_store_file(local, f"{folder}/{path.name}" if folder else path.name, status.st_size)


def open_store(store: Store) -> WalSource:
    """Look at all WAL of a store. Raises WalError, as ``open_source`` does."""
    return _open_found(find_wal(store))


def open_store_file(store: Store, name: str, size: int) -> WalSource:
    """Look at one file of a store, a segment or a tar archive (size in bytes, as stored). Raises WalError."""
    codec = tar_codec(name)
    if codec is not None:
        return _open_found(find_wal(open_tar(StoredFile(store, name, size), *codec)))
    return _open_file(StoredFile(store, name, size, codec_of(name), name.endswith(".partial")))


def _rooted(folder: Path) -> tuple[LocalFolder, str]:
    """A folder as a place in a store: a pg_wal in its data directory, so that the control file is found."""
    absolute = folder.absolute()
    if absolute.name == "pg_wal" and (absolute.parent / _CONTROL).exists():
        return LocalFolder(folder.parent if folder.name else absolute.parent), "pg_wal"
    return LocalFolder(folder), ""


def _open_file(file: StoredFile) -> WalSource:
    data = file.read_at(0, LONG_HEADER)
    if not data:
        raise WalError(f"{file.where}: expected a WAL segment, found an empty file.")
    header, wal_format = read_first_page(data, file.where)
    name = parse_segment_name(file.base) or _name_of(header, file.codec)
    segment = _segment(file, name, header.segment_size)
    run = Run(name.timeline, (segment,))
    return _source(file.where, header, wal_format, _control(file.store), (run,), single=True)


def _name_of(header: PageHeader, codec: str | None) -> SegmentName:
    """The name that a segment would have by its first page."""
    high, low = divmod(header.address // header.segment_size, (1 << 32) // header.segment_size)
    return SegmentName(header.timeline, high, low, False, codec)


def _open_found(found: Finding) -> WalSource:
    files = sorted(found.segments, key=lambda each: (each[0].timeline, each[0].high, each[0].low, each[1].name))
    header, wal_format = _first_readable(found.where, [file for _, file in files])
    segments, hidden = one_of_each(_segment(file, name, header.segment_size) for name, file in files)
    runs = tuple(Run(group[-1].timeline, group) for group in groups(segments, across_timelines=False))
    source = _source(found.where, header, wal_format, _control(found.store), runs, single=False)
    return replace(source, histories=_histories(found), aside=tuple(hidden))


def _segment(file: StoredFile, name: SegmentName, size: int) -> Segment:
    return Segment(file, name, name.number(size), name.start(size), size)


def _source(
    where: str,
    header: PageHeader,
    wal_format: WalFormat,
    control: ControlFile | None,
    runs: tuple[Run, ...],
    *,
    single: bool,
) -> WalSource:
    return WalSource(
        path=where,
        format=wal_format,
        segment_size=header.segment_size,
        page_size=header.page_size,
        block_size=control.block_size if control else DEFAULT_BLOCK_SIZE,
        system_identifier=header.system_identifier,
        server_state=control.state if control else None,
        runs=runs,
        histories=(),
        single=single,
    )


def _control(store: Store) -> ControlFile | None:
    """The control file, where the store is a data directory. Raises WalError when it is there and damaged."""
    problem: WalError | None = None
    for _ in range(_CONTROL_TRIES):
        try:
            return parse_control(store.read_at(_CONTROL, 0, _CONTROL_SIZE), store.locate(_CONTROL))
        except WalGoneError:
            return None
        except WalDeniedError:
            raise
        except WalError as error:
            problem = error
    assert problem is not None
    raise problem


def _first_readable(where: str, files: list[StoredFile]) -> tuple[PageHeader, WalFormat]:
    """The first segment that says what it is: preallocated files are zero, others may be damaged."""
    problem: WalError | None = None
    for file in files:
        try:
            data = file.read_at(0, LONG_HEADER)
            if data != _ZERO_HEADER:
                return read_first_page(data, file.where)
        except WalError as error:
            problem = problem or error
    raise problem or WalError(f"{where}: expected WAL; found only segments that were never written.")


def _histories(found: Finding) -> tuple[TimelineHistory, ...]:
    histories = {}
    for timeline, file in sorted(found.histories, key=lambda each: (each[0], each[1].name)):
        text = file.read_at(0, _HISTORY_LIMIT).decode("utf-8", "replace")
        try:
            histories[timeline] = parse_history(timeline, text)
        except ValueError as error:
            raise WalError(f"{file.where}: expected a timeline history file; {error}.") from error
    return tuple(histories.values())


def first_page_state(source: WalSource, segment: Segment) -> str:
    """What the segment's first page says, in a word or two: written, never written, recycled, or what is wrong."""
    try:
        data = segment.read_at(0, LONG_HEADER)
    except WalError as error:
        return str(error).removeprefix(f"{segment.where}: ")
    if not data:
        return "empty file"
    if not any(data):
        return "never written"
    header = read_page_header(data)
    if header is None or header.magic != source.format.magic:
        return "no page header of this major"
    if header.system_identifier != source.system_identifier:
        return f"system {header.system_identifier}"
    if header.address < segment.start:
        return f"recycled, was {header.address}"
    if header.address > segment.start:
        return f"misnamed, is {header.address}"
    return "written" if header.timeline == segment.timeline else f"written, timeline {header.timeline}"
