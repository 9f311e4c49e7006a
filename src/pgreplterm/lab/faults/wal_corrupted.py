"""The fault of one wrong bit in WAL that a standby has still to fetch.

Owns: that fault, on a segment of the upstream; a standby fetches its own again by itself. Must not: change a byte that
is not on disk first as it was.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pgreplterm.lab import server, sql
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import advance, mending, readings, standing
from pgreplterm.lab.faults import wal_segments as segments
from pgreplterm.lab.faults.fault import Aim, Option, Order, Undo, Undoing
from pgreplterm.lab.state import replace_file
from pgreplterm.wal.lsn import LSN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.lab.lab import Lab

PAYLOAD = 2000
"""Bytes of the record that is damaged: so many that one of them is certainly not on a page header."""


@dataclass(frozen=True, slots=True)
class Flip:
    """The byte that is changed in a file, on disk before it is."""

    path: str
    offset: int
    before: int
    after: int


class WalCorrupted:
    """One bit is wrong in WAL that a standby has still to fetch: it stops at that record, again and again."""

    name: ClassVar[str] = "wal-corrupted"
    effect: ClassVar[str] = "the standby fetches a record whose checksum is wrong, and stops in front of it"
    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTART
    options: ClassVar[Mapping[str, Option]] = {}

    def unavailable(self, lab: Lab, target: str) -> str | None:
        """See Fault."""
        return (
            segments.unfit(lab, target)
            or standing.refusal(
                lab,
                target,
                "SELECT 'its replay is paused or delayed, so it would not come to the damage' WHERE"
                " pg_is_wal_replay_paused() OR current_setting('recovery_min_apply_delay') <> '0'",
            )
            or segments.too_much(lab, target, 1)
        )

    def prepare(self, lab: Lab, order: Order) -> Undo:
        """See Fault."""
        upstream = mending.upstream_of(lab, order.target)
        note = server.folder(lab.state.node(upstream)) / f"flipped-{order.target}.json"
        return {"upstream": upstream, "note": str(note), "ran": mending.running_below(lab, order.target)}

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        """See Fault."""
        upstream = undo["upstream"]
        primary = standing.primary_of(lab, order.target)
        lab.stop(order.target)
        advance.segments(lab, primary, 1)
        end = _emit(lab, primary)
        advance.segments(lab, primary, segments.flush_count(lab, primary))
        segment = segments.settled(lab, primary, upstream, order.target, end)
        flip = _choose(segment, end, lab.state.segment_size)
        replace_file(Path(undo["note"]), json.dumps(asdict(flip)))
        _write_byte(flip, flip.after)
        lab.start(order.target)
        return f"byte {flip.offset} of {segment.name} on {upstream} is {flip.after:#04x} instead of {flip.before:#04x}"

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        """See Fault."""
        return readings.refuses_wal(snapshot, order.target, undo["upstream"])

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        """See Fault."""
        note = Path(undo["note"])
        flipped = note.exists()
        if flipped:
            flip = Flip(**json.loads(note.read_text(encoding="utf-8")))
            if Path(flip.path).exists():
                _write_byte(flip, flip.before)
        done = mending.bring_back(lab, order.target, undo["ran"], afresh=flipped)
        for written in (note, *note.parent.glob(f".{note.name}.*")):
            written.unlink(missing_ok=True)
        return f"WAL of {undo['upstream']} is right; {done}"


def _emit(lab: Lab, primary: str) -> LSN:
    """Write one record with a payload that can be found again; where it ends."""
    with lab.connection(primary) as link:
        return LSN.parse(
            sql.value(link, "SELECT pg_logical_emit_message(false, 'pgreplterm', repeat('x', %s))::text", PAYLOAD)
        )


def _choose(segment: Path, end: LSN, size: int) -> Flip:
    """A byte of the payload of the record that ends there: the last one that is what was written."""
    last = LSN(end - 1).segment_offset(size)
    with segment.open("rb") as file:
        file.seek(max(0, last - PAYLOAD))
        tail = file.read(min(last, PAYLOAD))
    offset = tail.rfind(b"xxxx")
    if offset < 0:
        raise LabError(f"{segment} does not hold the record that ends at {end}")
    return Flip(str(segment), max(0, last - PAYLOAD) + offset, ord("x"), ord("x") ^ 1)


def _write_byte(flip: Flip, value: int) -> None:
    """Put that byte there, unless there is neither the one before nor the one after: then it is another file by now."""
    handle = os.open(flip.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if os.pread(handle, 1, flip.offset) in (bytes([flip.before]), bytes([flip.after])):
            os.pwrite(handle, bytes([value]), flip.offset)
            os.fsync(handle)
    finally:
        os.close(handle)
