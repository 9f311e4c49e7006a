"""Where WAL comes from: one segment file, a pg_wal folder, or a data directory.

Owns: finding segments, what their first page says, and ordering them into runs.
Must not: judge records, or read more of a file than its first page header.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pgreplterm.wal.control import ControlFile, read_control
from pgreplterm.wal.errors import WalError, unreadable
from pgreplterm.wal.files import read_at
from pgreplterm.wal.format import WalFormat
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.page import LONG_HEADER, PageHeader, read_first_page, read_page_header
from pgreplterm.wal.segment import SegmentName, parse_segment_name, segment_name
from pgreplterm.wal.timeline import TimelineHistory, parse_history

_ZERO_HEADER = bytes(LONG_HEADER)
DEFAULT_BLOCK_SIZE = 8192


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment file. number counts from LSN 0; stored_size is what the file takes on disk, in bytes."""

    path: Path
    name: SegmentName
    number: int
    start: LSN
    stored_size: int

    @property
    def timeline(self) -> int:
        """The timeline in the file's name; its first pages may still carry the parent's."""
        return self.name.timeline

    @property
    def file_name(self) -> str:
        """The name as it stands in the folder."""
        return self.path.name


@dataclass(frozen=True, slots=True)
class Run:
    """Segments of one timeline without a gap, in order."""

    timeline: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class WalSource:
    """What a path holds. Sizes in bytes; block_size is the cluster's BLCKSZ (8192 unless pg_control says else)."""

    path: Path
    format: WalFormat
    segment_size: int
    page_size: int
    block_size: int
    system_identifier: int
    server_state: str | None  # pg_controldata's word, where a pg_control lies beside it
    runs: tuple[Run, ...]
    histories: tuple[TimelineHistory, ...]
    single: bool  # one file was named, not a folder

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All segments, by timeline, then position."""
        return tuple(segment for run in self.runs for segment in run.segments)

    def segment_name(self, timeline: int, number: int) -> str:
        """The name a segment of this source has."""
        return segment_name(timeline, number, self.segment_size)


def open_source(path: Path | str) -> WalSource:
    """Look at a segment, a folder of segments, or a data directory.

    Raises WalError when the path is missing, unreadable, or holds no WAL of a supported major.
    """
    path = Path(path)
    try:
        if not path.is_dir():
            return _open_file(path)
        if (path / "global" / "pg_control").exists() and (path / "pg_wal").is_dir():
            return _open_folder(path / "pg_wal")
        return _open_folder(path)
    except OSError as error:
        raise unreadable(path, "a WAL segment, a pg_wal folder or a data directory", error) from error


def _control_beside(folder: Path) -> ControlFile | None:
    """The control file of the data directory that this pg_wal belongs to."""
    if folder.name == "pg_wal" and (folder.parent / "global" / "pg_control").exists():
        return read_control(folder.parent)
    return None


def _open_file(path: Path) -> WalSource:
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe would make us wait for its writer
        raise WalError(
            f"{path}: expected a WAL segment, a pg_wal folder or a data directory; found a device or a pipe."
        )
    data = read_at(path, 0, LONG_HEADER)
    if not data:
        raise WalError(f"{path}: expected a WAL segment, found an empty file.")
    header, wal_format = read_first_page(data, str(path))
    name = parse_segment_name(path.name)
    number = header.address // header.segment_size
    if name is None:
        compression = path.suffix[1:] if path.suffix in (".gz", ".zst") else None
        per_id = (1 << 32) // header.segment_size
        name = SegmentName(header.timeline, number // per_id, number % per_id, False, compression)
    start = LSN(name.number(header.segment_size) * header.segment_size)
    segment = Segment(path, name, name.number(header.segment_size), start, path.stat().st_size)
    control = _control_beside(path.parent)
    return _source(path, header, wal_format, control, (Run(name.timeline, (segment,)),), (), single=True)


def _open_folder(folder: Path) -> WalSource:
    named = sorted(
        (name, entry)
        for entry in folder.iterdir()
        if (name := parse_segment_name(entry.name)) is not None and entry.is_file()
    )
    if not named:
        raise WalError(f"{folder}: expected WAL segments (files such as 000000010000000000000001); found none.")
    header, wal_format = _first_readable(folder, [entry for _, entry in named])
    size = header.segment_size
    segments = [
        Segment(entry, name, name.number(size), name.start(size), entry.stat().st_size) for name, entry in named
    ]
    runs = tuple(_runs(segments, size))
    control = _control_beside(folder)
    return _source(folder, header, wal_format, control, runs, _histories(folder), single=False)


def _source(
    path: Path,
    header: PageHeader,
    wal_format: WalFormat,
    control: ControlFile | None,
    runs: tuple[Run, ...],
    histories: tuple[TimelineHistory, ...],
    *,
    single: bool,
) -> WalSource:
    return WalSource(
        path=path,
        format=wal_format,
        segment_size=header.segment_size,
        page_size=header.page_size,
        block_size=control.block_size if control else DEFAULT_BLOCK_SIZE,
        system_identifier=header.system_identifier,
        server_state=control.state if control else None,
        runs=runs,
        histories=histories,
        single=single,
    )


def _first_readable(folder: Path, entries: list[Path]) -> tuple[PageHeader, WalFormat]:
    """The first segment that says what it is: preallocated files are zero, others may be damaged."""
    problem: WalError | None = None
    for entry in entries:
        data = read_at(entry, 0, LONG_HEADER)
        if data == _ZERO_HEADER:
            continue
        try:
            return read_first_page(data, str(entry))
        except WalError as error:
            problem = problem or error
    raise problem or WalError(f"{folder}: expected WAL; found only segments that were never written.")


def _runs(segments: list[Segment], segment_size: int) -> Iterator[Run]:
    """Split sorted segments where the timeline changes, a number is missing, or a file ends early.

    A whole file hides its .partial.
    """
    current: list[Segment] = []
    for segment in segments:
        if current and segment.timeline == current[-1].timeline and segment.number == current[-1].number:
            continue
        if current and not _goes_on(current[-1], segment, segment_size):
            yield Run(current[-1].timeline, tuple(current))
            current = []
        current.append(segment)
    yield Run(current[-1].timeline, tuple(current))


def _goes_on(before: Segment, segment: Segment, segment_size: int) -> bool:
    is_cut = before.name.compression is None and before.stored_size < segment_size
    return segment.timeline == before.timeline and segment.number == before.number + 1 and not is_cut


def _histories(folder: Path) -> tuple[TimelineHistory, ...]:
    found = []
    for entry in sorted(folder.glob("????????.history")):
        try:
            timeline = int(entry.stem, 16)
            found.append(parse_history(timeline, entry.read_text(encoding="utf-8", errors="replace")))
        except ValueError as error:
            raise WalError(f"{entry}: expected a timeline history file; {error}.") from error
    return tuple(found)


def first_page_state(source: WalSource, segment: Segment) -> str:
    """What the segment's first page says, in a word or two: written, never written, recycled, or what is wrong."""
    data = read_at(segment.path, 0, LONG_HEADER)
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
