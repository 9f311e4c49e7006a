"""Verifying an archive again, and reading only what is new.

Owns: what each segment was found to hold, as long as its file stays as it is, and joining that to what is read now.
Must not: judge ends: they depend on more than one file and are judged anew each time.

A file is taken for unchanged while its name, size, time of modification and inode are. Damage that leaves all four
alone (a disk that forgets) is what a run without the ledger finds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pgreplterm.wal.ends import Reached
from pgreplterm.wal.errors import WalError, unreadable
from pgreplterm.wal.ledger_file import UnusableLedger, read_ledger, write_ledger
from pgreplterm.wal.ledger_json import FileMark, Kept
from pgreplterm.wal.pieces import Joint, Piece, PieceReader
from pgreplterm.wal.report import RunReport, run_report
from pgreplterm.wal.source import Run, Segment, WalSource
from pgreplterm.wal.stores.local import LocalFolder
from pgreplterm.wal.verification import Stop

# A file written less than this before it was looked at may be written again within the same tick of its clock.
_SETTLED_NS = 1_000_000_000


def verify_with_ledger(
    source: WalSource, path: Path, narrate: Callable[[str], None] | None = None
) -> Iterator[RunReport]:
    """Verify each run of the source as ``verify`` does, with the same reports, but read only what the ledger lacks.

    The ledger is written when the last report has been taken, or when the iteration is left before that. narrate is
    told, in a sentence, that an old ledger is of no use. Raises WalError when a segment cannot be read or the ledger
    cannot be written.
    """
    ledger = Ledger(source, path, narrate)
    try:
        for run in source.runs:
            yield _verify_run(source, run, ledger)
        ledger.forget_unused()
    finally:
        ledger.save()


def _verify_run(source: WalSource, run: Run, ledger: Ledger) -> RunReport:
    pieces: list[Piece] = []
    stop: Stop | None = None
    marks = [_mark(segment) for segment in run.segments]
    done, joint = 0, Joint(run.segments[0].start)
    while done < len(marks):
        kept = ledger.recall(marks, done, joint)
        if kept is not None:
            new = [kept]
        else:
            reader = PieceReader(source, run, joint)
            new = list(_read_new(reader, ledger, marks, done))
            stop = reader.stop
        pieces += new
        done += sum(piece.segments for piece in new)
        joint = new[-1].after or joint
    stop = stop or Stop(pieces[-1].reached or _exhausted(run, joint), None, growing=False)
    damages = [damage for piece in pieces for damage in piece.damages]
    counted = [piece.counted for piece in pieces]
    return run_report(run, counted, damages, stop.at.end_lsn, stop.end(source, run))


def _read_new(reader: PieceReader, ledger: Ledger, marks: Sequence[FileMark], done: int) -> Iterator[Piece]:
    """Read on until the ledger knows how it goes on."""
    for piece in reader:
        files = marks[done : done + piece.segments]
        if not reader.is_passing:
            ledger.keep(files, piece)
        yield piece
        done += piece.segments
        if piece.after is not None and ledger.recall(marks, done, piece.after) is not None:
            return


def _exhausted(run: Run, joint: Joint) -> Reached:
    """The evidence where every segment was read to its end."""
    return Reached(joint.boundary, joint.partial, joint.last, None, None, joint.timeline, run.segments[-1].number, None)


def _mark(segment: Segment) -> FileMark:
    """The segment's mark; only a local file has one."""
    store = segment.file.store
    if not isinstance(store, LocalFolder):
        raise WalError(f"{segment.where}: expected a local file, of which a ledger can tell whether it has changed.")
    try:
        found = (store.root / segment.file.name).stat()
    except OSError as error:
        raise unreadable(store.root / segment.file.name, "a segment that can be read", error) from error
    return FileMark(segment.file.name, found.st_size, found.st_mtime_ns, found.st_ino)


class Ledger:
    """The pieces of one source, by the name of their first file; old ones until they are used or replaced."""

    def __init__(self, source: WalSource, path: Path, narrate: Callable[[str], None] | None) -> None:
        self._source, self._path = source, path
        self._opened_ns = time.time_ns()
        self._used: dict[str, Kept] = {}
        self._old: dict[str, Kept] = {}
        self._set_aside = False
        try:
            self._old = {kept.files[0].name: kept for kept in read_ledger(path, source)}
        except UnusableLedger as reason:
            self._set_aside = True
            if narrate is not None:
                narrate(f"{path}: {reason}; it is not used, all WAL is read again.")

    def recall(self, files: Sequence[FileMark], at: int, joint: Joint) -> Piece | None:
        """The piece that begins with file number ``at`` of a run's, if it was read from them and from this joint."""
        kept = self._old.get(files[at].name) if at < len(files) else None
        if kept is None or kept.piece.before != joint or tuple(files[at : at + len(kept.files)]) != kept.files:
            return None
        # An end inside a run tells of the run as it was: without segments behind it.
        if kept.piece.after is None and at + len(kept.files) < len(files):
            return None
        self._used[files[at].name] = kept
        return kept.piece

    def keep(self, files: Sequence[FileMark], piece: Piece) -> None:
        """Keep a piece read from these files, unless one of them may still change unseen."""
        if all(file.mtime_ns + _SETTLED_NS < self._opened_ns for file in files):
            self._used[files[0].name] = Kept(tuple(files), piece)

    def forget_unused(self) -> None:
        """Drop what belongs to files that are gone or changed. One file alone says nothing of the others."""
        if not self._source.single:
            self._old = {}

    def save(self) -> None:
        """Write the ledger. Raises WalError when it cannot be written."""
        write_ledger(self._path, self._source, (self._old | self._used).values(), set_aside=self._set_aside)
