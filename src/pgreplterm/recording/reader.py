"""Reading a recording: any snapshot by its number, the marks, and what could not be read.

Owns: opening all files of a recording, by their indexes or by a scan, and the sentence about damage.
Must not: write, or judge a snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.errors import ExitCode
from pgreplterm.recording import index
from pgreplterm.recording.codec import CodecError, decoder
from pgreplterm.recording.delta import apply
from pgreplterm.recording.frames import MAGIC, SYNC, Damage, Entry, Frame, Kind, expand, parse, read_frame, scan
from pgreplterm.recording.segments import RecordingError, closed_files
from pgreplterm.recording.writer import SCHEMA

_LOOKED_AT = 1 << 20  # bytes in which a file with another first line must show a frame to be taken for a recording


class DamagedRecording(RecordingError):
    """Part of a recording cannot be read."""

    exit_code = ExitCode.FINDING


@dataclass(frozen=True, slots=True)
class Mark:
    """A named instant (epoch seconds); frame is the number of the first snapshot after it, or of the last one."""

    at: float
    text: str
    frame: int


@dataclass(frozen=True, slots=True)
class About:
    """Who wrote a recording, of what, and how often it looked (seconds)."""

    program: str = ""
    title: str = ""
    interval: float = 1.0


@dataclass
class _File:
    """One file of a recording, open."""

    path: Path
    handle: IO[bytes]
    size: int
    entries: list[Entry] = field(default_factory=list)
    is_closed: bool = True
    damage: list[Damage] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Place:
    """A snapshot: its file, its frame, and the full frame a delta stands on."""

    file: _File
    entry: Entry
    base: Entry | None


class Recording:
    """An open recording; a context manager. Snapshots are numbered from 0, oldest first."""

    def __init__(self, path: Path, *, by_scan: bool = False) -> None:
        """by_scan reads and checks every byte, where an index would do. Raises RecordingError."""
        self.path = path
        self.about = About()
        self.marks: tuple[Mark, ...] = ()
        self.unreadable = 0  # snapshots found that cannot be read
        self._places: list[_Place] = []
        self._base: tuple[_File, Entry, int, bytes, Any] | None = None
        self._decode = decoder(ClusterSnapshot)
        members = [*closed_files(path), *([path] if path.exists() else [])]
        if not members:
            raise RecordingError(f"{path}: expected a recording, found no such file.")
        self._files: list[_File] = []
        try:
            for member in members:
                self._files.append(_open(member, by_scan))
            self._take_stock()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._places)

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files:
            file.handle.close()

    def at(self, number: int) -> float:
        """The instant of that snapshot (epoch seconds)."""
        return self._places[number].entry.at

    def snapshot(self, number: int) -> ClusterSnapshot:
        """That snapshot. Raises DamagedRecording when its frame, or the full one it stands on, cannot be read."""
        place = self._places[number]
        try:
            result: ClusterSnapshot = self._decode(self._data(place))
        except (CodecError, RecursionError) as error:
            raise DamagedRecording(
                f"{place.file.path}: snapshot {number + 1} of {len(self)}, at offset {place.entry.offset}, cannot be "
                f"read: {error}; the others may be: see replay --list."
            ) from None
        return result

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self._files)

    @property
    def files(self) -> tuple[Path, ...]:
        """All files, oldest first."""
        return tuple(file.path for file in self._files)

    @property
    def is_closed(self) -> bool:
        """Whether its writer ended properly, and no other is at work."""
        return self._files[-1].is_closed

    @property
    def damage(self) -> str | None:
        """One sentence on what is known to be lost; None when nothing is."""
        lost = [(file.path, part) for file in self._files for part in file.damage]
        if not lost and not self.unreadable:
            return None
        where = ""
        if lost:
            count, (path, first) = sum(part.end - part.start for _, part in lost), lost[0]
            where = f"{count} damaged {_plural(count, 'byte')} (from offset {first.start} of {path.name})"
        if self.unreadable:
            said = f"{self.unreadable} {_plural(self.unreadable, 'snapshot')} that cannot be read"
            where = f"{where} and {said}" if where else said
        whole = f"the other {len(self)}" if len(self) else "no snapshot"
        return f"{self.path}: expected whole frames, found {where}; {whole} can be replayed."

    def check(self) -> None:
        """Decode every snapshot, and leave out those that cannot be."""
        whole, lost = [], []
        for number, place in enumerate(self._places):
            try:
                self.snapshot(number)
                whole.append(place)
            except DamagedRecording:
                lost.append(number)
        if lost:
            self.unreadable += len(lost)
            self._places = whole
            self.marks = tuple(
                Mark(mark.at, mark.text, max(0, min(mark.frame - sum(n < mark.frame for n in lost), len(whole) - 1)))
                for mark in self.marks
            )

    def _take_stock(self) -> None:
        """Number the snapshots and read what the few other frames say."""
        marks: list[tuple[float, str, int]] = []
        for file in self._files:
            base: Entry | None = None
            for entry in file.entries:
                if entry.kind is Kind.MARK:
                    text = self._said(file, entry).get("text")
                    marks.append((entry.at, str(text or "?"), len(self._places)))
                elif entry.kind is Kind.ABOUT:
                    self._note(self._said(file, entry))
                elif entry.kind in (Kind.FULL, Kind.DELTA):
                    base = entry if entry.kind is Kind.FULL else base
                    self._places.append(_Place(file, entry, base))
        last = max(0, len(self._places) - 1)
        self.marks = tuple(Mark(at, text, min(number, last)) for at, text, number in marks)

    def _said(self, file: _File, entry: Entry) -> dict[str, Any]:
        frame = read_frame(file.handle, entry.offset)
        try:
            said = parse(expand(frame.body)) if frame is not None else None
        except CodecError:
            said = None
        return said if isinstance(said, dict) else {}

    def _note(self, said: dict[str, Any]) -> None:
        schema, interval = said.get("schema"), said.get("interval")
        if isinstance(schema, int) and schema > SCHEMA:
            raise RecordingError(
                f"{self.path}: expected schema {SCHEMA} or older, found {schema}: it takes a newer pgreplterm to read."
            )
        interval = float(interval) if isinstance(interval, int | float) and 0 < interval < 1e6 else 1.0
        self.about = About(str(said.get("program", "")), str(said.get("title", "")), interval)

    def _data(self, place: _Place) -> Any:
        """The snapshot as plain data. Raises CodecError."""
        frame = _whole(place.file, place.entry)
        if place.entry.kind is Kind.FULL:
            return self._full(place.file, frame)[1]
        if place.base is None:
            raise CodecError("the full frame it stands on is lost")
        checksum = int.from_bytes(frame.body[:4], "big")
        known = self._base
        if known is None or known[0] is not place.file or known[1] != place.base:
            base = _whole(place.file, place.base)
            known = self._base = (place.file, place.base, base.checksum, *self._full(place.file, base))
        if known[2] != checksum:
            raise CodecError("the full frame it stands on is lost")
        return apply(known[4], parse(expand(frame.body[4:], known[3])))

    def _full(self, file: _File, frame: Frame) -> tuple[bytes, Any]:
        text = expand(frame.body)
        data = parse(text)
        self._base = (file, frame.entry, frame.checksum, text, data)
        return text, data


def _whole(file: _File, entry: Entry) -> Frame:
    frame = read_frame(file.handle, entry.offset)
    if frame is None or frame.entry != entry:
        raise CodecError("its checksum is wrong")
    return frame


def _open(path: Path, by_scan: bool) -> _File:
    try:
        handle = path.open("rb")
    except OSError as error:
        raise RecordingError(f"{path}: expected a recording, which cannot be read: {error.strerror}.") from error
    file = _File(path, handle, handle.seek(0, 2))
    try:
        handle.seek(0)
        head = handle.read(len(MAGIC))
        found = index.read(handle)
        file.is_closed = found is not None
        if found is not None and head == MAGIC and not by_scan:
            file.entries = found[1]
        else:
            _scan_into(file, head, file.size if found is None else found[0])
    except BaseException:
        handle.close()
        raise
    return file


def _scan_into(file: _File, head: bytes, end: int) -> None:
    """Entries and damage of a file up to its index."""
    if head != MAGIC and head:
        file.handle.seek(0)
        if not MAGIC.startswith(head) and SYNC not in file.handle.read(_LOOKED_AT):
            raise RecordingError(f"{file.path}: expected a recording of pgreplterm, found something else.")
        file.damage.append(Damage(0, len(head)))
    for piece in _up_to(scan(file.handle, len(MAGIC)), end):
        if isinstance(piece, Damage):
            file.damage.append(piece)
        elif piece.entry.kind is not Kind.INDEX:
            file.entries.append(piece.entry)


def _up_to(pieces: Iterator[Frame | Damage], end: int) -> Iterator[Frame | Damage]:
    for piece in pieces:
        start = piece.entry.offset if isinstance(piece, Frame) else piece.start
        if start >= end:
            return
        yield piece


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
