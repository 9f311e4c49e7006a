"""The rows of a ledger as JSON, and back.

Owns: the order of a row's fields, and refusing what no piece can be. Must not: open files.

A row is an array, not an object: an archive of a hundred thousand segments has as many. What is read back begins a
walk, so positions are checked like those of WAL itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pgreplterm.wal.ends import Reached
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.pieces import Joint, Piece
from pgreplterm.wal.report import Counted, Damage, EndKind
from pgreplterm.wal.walker import Break, Code

_LSN_MAX = 1 << 62


class FileMark(NamedTuple):
    """What tells that a file is still the one that was read. size in bytes, mtime in nanoseconds."""

    name: str
    size: int
    mtime_ns: int
    inode: int


class Kept(NamedTuple):
    """A piece and the files it was read from."""

    files: tuple[FileMark, ...]
    piece: Piece


def kept_to_json(kept: Kept) -> list[Any]:
    """One row: the files, then the piece."""
    return [[list(file) for file in kept.files], _piece_to_json(kept.piece)]


def kept_from_json(row: list[Any], segment_size: int) -> Kept:
    """A row as it was kept; segment_size in bytes. Raises ValueError or TypeError when it cannot have been."""
    files, piece = row
    kept = Kept(tuple(FileMark(*file) for file in files), _piece_from_json(piece, segment_size))
    if not 0 < kept.piece.segments == len(kept.files):
        raise ValueError(f"a piece of {kept.piece.segments} segments in {len(kept.files)} files")
    return kept


def _piece_to_json(piece: Piece) -> list[Any]:
    counted, at = piece.counted, piece.reached
    return [
        piece.segments,
        _joint_to_json(piece.before),
        piece.after and _joint_to_json(piece.after),
        [counted.first, counted.last, counted.records, counted.record_bytes, counted.images, counted.image_bytes],
        [[_break_to_json(each.at), each.resumed, each.pages] for each in piece.damages],
        at
        and [
            at.position, at.partial, at.last, at.stopped and _break_to_json(at.stopped), at.kind,
            at.timeline, at.segment, at.length,
        ],
    ]  # fmt: skip


def _joint_to_json(joint: Joint) -> list[int | None]:
    return [joint.boundary, joint.last, joint.partial, joint.checksum, joint.timeline]


def _break_to_json(stopped: Break) -> list[int | str]:
    return [stopped.code.name, stopped.lsn, stopped.record, stopped.expected, stopped.found]


def _piece_from_json(row: list[Any], segment_size: int) -> Piece:
    segments, before, after, counted, damages, at = row
    piece = Piece(
        _number(segments),
        _joint(before, segment_size),
        None if after is None else _joint(after, segment_size),
        Counted(_maybe(counted[0]), _maybe(counted[1]), *map(_number, counted[2:])),
        tuple(Damage(_break(stopped), _lsn(resumed), _number(pages)) for stopped, resumed, pages in damages),
        None if at is None else _reached(*at),
    )
    if (piece.after is None) is not (piece.reached is not None):
        raise ValueError("a piece with two ends, or none")
    return piece


def _reached(
    position: Any, partial: Any, last: Any, stopped: Any, kind: Any, timeline: Any, segment: Any, length: Any
) -> Reached:
    return Reached(
        _lsn(position),
        _maybe(partial),
        _maybe(last),
        None if stopped is None else _break(stopped),
        None if kind is None else EndKind(kind),
        _number(timeline),
        _number(segment),
        None if length is None else _number(length),
    )


def _break(row: list[Any]) -> Break:
    code, lsn, record, expected, found = row
    return Break(Code[code], _lsn(lsn), _lsn(record), _number(expected), _number(found))


def _joint(row: list[Any], segment_size: int) -> Joint:
    joint = Joint(_lsn(row[0]), _maybe(row[1]), _maybe(row[2]), *map(_number, row[3:]))
    if joint.boundary % segment_size or any(
        lsn % 8 or lsn >= joint.boundary for lsn in (joint.last, joint.partial) if lsn
    ):
        raise ValueError(f"no place between two segments: {row}")
    return joint


def _lsn(value: Any) -> LSN:
    if _number(value) >= _LSN_MAX:
        raise ValueError(f"no LSN: {value!r}")
    return LSN(value)


def _maybe(value: Any) -> LSN | None:
    return None if value is None else _lsn(value)


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"no number: {value!r}")
    return value
