"""A run read segment by segment, in pieces that can be kept and joined again.

Owns: the state between two segments, and reading on from it. Must not: know where pieces are kept (ledger does).

The state is small because it is no copy of the walker: a record that crosses into the next segment is read again from
its beginning, which lies in the segment before, or further back only where a record is longer than a segment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pgreplterm.wal.ends import Reached
from pgreplterm.wal.feed import Chunk, chunks
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.report import Counted, Damage
from pgreplterm.wal.scan import new_walker
from pgreplterm.wal.source import Run, WalSource
from pgreplterm.wal.verification import CHASES, Stop, counted_by, look_behind
from pgreplterm.wal.walker import Walker


@dataclass(frozen=True, slots=True)
class Joint:
    """What reading a segment needs to know of what lies before it.

    last is the record that the next one's xl_prev must name, partial the record that goes on behind the boundary,
    checksum that of its bytes before it, and timeline the lowest that the next page may be of. With neither record,
    the first one is sought.
    """

    boundary: LSN
    last: LSN | None = None
    partial: LSN | None = None
    checksum: int = 0
    timeline: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive segments, as few as can be read without a look at those behind: one, unless damage goes on.

    after is None in the last piece of a run that stopped inside it; reached then says where.
    """

    segments: int
    before: Joint
    after: Joint | None
    counted: Counted
    damages: tuple[Damage, ...]
    reached: Reached | None = None


class PieceReader:
    """The run from one joint on: iterate for its pieces, and leave off at will.

    stop is there when the last piece has been given because the walk came to its end inside it.
    """

    def __init__(self, source: WalSource, run: Run, joint: Joint) -> None:
        self._source, self._run = source, run
        self._next = self._begun = _index(source, run, joint.boundary)
        self._joint = joint
        self._walker = walker_at(source, joint)
        self._feed: Iterator[Chunk] | None = None
        self._counted_before = counted_by(self._walker)
        self._counted: list[Counted] = []
        self._damages: list[Damage] = []
        self._chased = 0
        self._guessed = False
        self.stop: Stop | None = None

    def __iter__(self) -> Iterator[Piece]:
        while self._next < len(self._run.segments):
            chunk = self._push()
            is_across = self._walker.stopped is None and not (chunk is not None and chunk.short)
            # Behind the run's last segment nothing says yet whether a record is as long as it claims.
            is_doubtful = self._walker.partial is not None and self._next + 1 == len(self._run.segments)
            if (is_doubtful or not is_across) and self._goes_on(chunk):
                continue
            if is_across:
                yield from self._across()
            else:
                yield self._ended()

    @property
    def is_passing(self) -> bool:
        """What was read last would be read otherwise if the run went on, or once a server has written more."""
        return self._guessed or (self.stop is not None and self.stop.growing)

    def _push(self) -> Chunk | None:
        """Push what the walker has not seen up to the end of the segment in hand; the last chunk of it."""
        end = self._run.segments[self._next].start + self._source.segment_size
        chunk = None
        for chunk in self._chunks():
            going = not chunk.length or self._walker.push(chunk.lsn, chunk.data, chunk.length)
            if not going or chunk.short or (self._feed is not None and chunk.lsn + chunk.length == end):
                break
        return chunk

    def _chunks(self) -> Iterator[Chunk]:
        """The segments from the walker's position on: plain ones in one go, packed ones each to its own end.

        A packed file is read past its last byte before anything is said of it, for its checksum stands there. A new
        feed for each segment would mean a new buffer, and memory that was never used costs more than reading into it.
        """
        if self._feed is not None:
            return self._feed
        segments = self._run.segments
        begin, end = _index(self._source, self._run, self._walker.position), self._next + 1
        if all(segment.file.codec is None for segment in segments[begin:end]):
            while end < len(segments) and segments[end].file.codec is None:
                end += 1
            self._feed = chunks(self._source, Run(self._run.timeline, segments[begin:end]), self._walker.position)
            return self._feed
        return chunks(self._source, Run(self._run.timeline, segments[begin:end]), self._walker.position)

    def _across(self) -> Iterator[Piece]:
        self._next, self.stop = self._next + 1, None
        if self._next < len(self._run.segments) and self._run.segments[self._next].file.codec is not None:
            self._feed = None
        # A first record behind damage is proved by its end, so no joint is made before that.
        if self._walker.records or not self._damages or self._next == len(self._run.segments):
            yield self._crossed()

    def _crossed(self) -> Piece:
        walker = self._walker
        after = Joint(walker.position, walker.last, walker.partial, walker.partial_checksum, walker.timeline)
        piece = self._piece(after)
        self._joint, self._begun = after, self._next
        self._counted, self._damages, self._counted_before = [], [], counted_by(walker)
        return piece

    def _piece(self, after: Joint | None) -> Piece:
        counted = sum([*self._counted, since(self._counted_before, counted_by(self._walker))], Counted())
        return Piece(self._next - self._begun, self._joint, after, counted, tuple(self._damages))

    def _goes_on(self, chunk: Chunk | None) -> bool:
        stop = look_behind(self._source, self._run, self._walker, chunk)
        if stop.growing and self._chased < CHASES:
            self._chased += 1
            self._continue_at(stop.at.partial or stop.at.position)
        elif stop.damage is not None and not stop.growing:
            self._damages.append(stop.damage)
            self._guessed = stop.at.stopped is None and stop.at.length is None
            self._continue_at(stop.damage.resumed)
        else:
            self.stop = stop
        return self.stop is None

    def _continue_at(self, lsn: LSN) -> None:
        self._counted.append(since(self._counted_before, counted_by(self._walker)))
        self._counted_before = Counted()
        self._walker, self._feed = new_walker(self._source, lsn, collect=False), None
        self._next = max(self._next, _index(self._source, self._run, lsn))

    def _ended(self) -> Piece:
        assert self.stop is not None
        self._next = len(self._run.segments)
        piece = replace(self._piece(None), reached=self.stop.at)
        self._begun = self._next
        return piece


def walker_at(source: WalSource, joint: Joint) -> Walker:
    """A walker that goes on at a joint as the one did that came to it."""
    start = joint.partial or joint.boundary
    # Pages before the boundary are walked again and say their timeline themselves.
    walked_again = start < joint.boundary - source.page_size
    walker = new_walker(source, start, collect=False, timeline=0 if walked_again else joint.timeline)
    if joint.last is not None or joint.partial is not None:
        walker.follow(joint.last)
    return walker


def since(before: Counted, now: Counted) -> Counted:
    """What one walker has counted between two looks at it."""
    return Counted(
        now.first if before.first is None else None,
        now.last if now.last != before.last else None,
        now.records - before.records,
        now.record_bytes - before.record_bytes,
        now.images - before.images,
        now.image_bytes - before.image_bytes,
    )


def _index(source: WalSource, run: Run, lsn: int) -> int:
    return lsn // source.segment_size - run.segments[0].number
