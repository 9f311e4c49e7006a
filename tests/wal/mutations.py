"""Windows of real WAL, and ways to break them that tell which bytes they changed.

Owns: where the records of a window are (told by others, never by the reader under test), changes, and undoing them.
Must not: judge what is read afterwards.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pgreplterm.wal import Run, WalSource, open_source

from .builder import LONG_HEADER, SHORT_HEADER
from .corpus import lsn_of

PAGE = 8192
PLACE = re.compile(r"len \(rec/tot\): +\d+/ *(\d+), tx: +\d+, lsn: ([0-9A-F]+/[0-9A-F]+),")

Range = tuple[int, int]  # LSNs, the second exclusive


def align(lsn: int) -> int:
    return -(-lsn // 8) * 8


@dataclass(frozen=True)
class Window:
    """A few segments that follow each other, in a folder of their own, and the whole records in them."""

    source: WalSource
    starts: list[int]
    ends: list[int]  # one past each record's last byte
    whole: frozenset[int]  # the starts again
    healthy: bytes

    @property
    def run(self) -> Run:
        return self.source.runs[0]

    @property
    def size(self) -> int:
        return self.source.segment_size

    def touching(self, ranges: list[Range]) -> set[int]:
        """The records that hold a byte of one of these ranges; page headers between their bytes count as theirs."""
        found: set[int] = set()
        for begin, end in ranges:
            found.update(self.starts[bisect_right(self.ends, begin) : bisect_left(self.starts, end)])
        return found

    def file_of(self, lsn: int) -> Path:
        return Path(self.run.segments[lsn // self.size - self.run.segments[0].number].where)

    def read(self, lsn: int, length: int) -> bytes:
        with self.file_of(lsn).open("rb") as stream:
            stream.seek(lsn % self.size)
            return stream.read(length)

    def write(self, lsn: int, data: bytes) -> None:
        with self.file_of(lsn).open("r+b") as stream:
            stream.seek(lsn % self.size)
            stream.write(data)

    def restore(self, ranges: list[Range]) -> None:
        """Undo changes there."""
        start = self.run.segments[0].start
        for begin, end in ranges:
            self.write(begin, self.healthy[begin - start : end - start])


def window(folder: Path, starts: list[int], lengths: list[int]) -> Window:
    """The folder's segments with those of the records that lie in them; page headers make a record longer."""
    source = open_source(folder)
    (run,) = source.runs
    first, last = run.segments[0].start, run.segments[-1].start + source.segment_size
    begin = bisect_left(starts, first)
    ends = [end_of(start, length, source.segment_size) for start, length in zip(starts, lengths, strict=True)]
    end = bisect_right(ends, last)
    healthy = b"".join(Path(segment.where).read_bytes() for segment in run.segments)
    return Window(source, starts[begin:end], ends[begin:end], frozenset(starts[begin:end]), healthy)


def end_of(lsn: int, length: int, segment_size: int) -> int:
    while length > (room := PAGE - lsn % PAGE):
        length -= room
        lsn += room
        lsn += LONG_HEADER if lsn % segment_size == 0 else SHORT_HEADER
    return lsn + length


# ---- where the records are ----


def places(lines: list[str]) -> tuple[list[int], list[int]]:
    found = [(lsn_of(match[2]), int(match[1])) for match in map(PLACE.search, lines) if match]
    return [lsn for lsn, _ in found], [length for _, length in found]


def places_by_length(segment: bytes, start: int) -> tuple[list[int], list[int]]:
    """The places in one segment, told by nothing but page headers and lengths."""
    remaining = int.from_bytes(segment[16:20], "little")
    at, starts, lengths = align(end_of(start + LONG_HEADER, remaining, len(segment))), [], []
    while at < start + len(segment):
        at += SHORT_HEADER if at % PAGE == 0 else 0
        length = int.from_bytes(segment[at - start : at - start + 4], "little")
        starts.append(at)
        lengths.append(length)
        at = align(end_of(at, length, len(segment)))
    return starts, lengths


# ---- changes ----

Change = Callable[[random.Random, Window], list[Range]]


def flip(rng: random.Random, made: Window) -> list[Range]:
    """One bit."""
    lsn = any_lsn(rng, made)
    made.write(lsn, bytes([made.read(lsn, 1)[0] ^ 1 << rng.randrange(8)]))
    return [(lsn, lsn + 1)]


def flip_in_header(rng: random.Random, made: Window) -> list[Range]:
    """One bit of a record's header, or of the page header before it."""
    lsn = rng.choice(made.starts)
    lsn = lsn - lsn % PAGE + rng.randrange(SHORT_HEADER) if rng.random() < 0.3 else lsn + rng.randrange(8)
    made.write(lsn, bytes([made.read(lsn, 1)[0] ^ 1 << rng.randrange(8)]))
    return [(lsn, lsn + 1)]


def scribble(rng: random.Random, made: Window) -> list[Range]:
    """Up to 64 bytes of noise."""
    lsn = any_lsn(rng, made)
    return replaced(made, lsn, rng.randbytes(min(rng.randrange(1, 65), made.size - lsn % made.size)))


def zero_page(rng: random.Random, made: Window) -> list[Range]:
    page = any_lsn(rng, made) // PAGE * PAGE
    return replaced(made, page, bytes(PAGE))


def zero_sectors(rng: random.Random, made: Window) -> list[Range]:
    """512 bytes or a few times that, as a torn write leaves them."""
    sector = any_lsn(rng, made) // 512 * 512
    return replaced(made, sector, bytes(min(512 * rng.randrange(1, 8), made.size - sector % made.size)))


def swap_pages(rng: random.Random, made: Window) -> list[Range]:
    one, other = (any_lsn(rng, made) // PAGE * PAGE for _ in range(2))
    first, second = made.read(one, PAGE), made.read(other, PAGE)
    return replaced(made, one, second) + replaced(made, other, first)


def repeat_page(rng: random.Random, made: Window) -> list[Range]:
    """A page in the place of another, as a write that went astray."""
    one, other = (any_lsn(rng, made) // PAGE * PAGE for _ in range(2))
    return replaced(made, one, made.read(other, PAGE))


def several(rng: random.Random, made: Window) -> list[Range]:
    """Up to five at once, near each other or not."""
    changes = [rng.choice((flip, scribble, zero_sectors, zero_page)) for _ in range(rng.randrange(2, 6))]
    return [each for change in changes for each in change(rng, made)]


def truncate(rng: random.Random, made: Window) -> list[Range]:
    """The file ends early. Its last page is given up with what is missing."""
    lsn = any_lsn(rng, made)
    with made.file_of(lsn).open("r+b") as stream:
        stream.truncate(lsn % made.size)
    return [(lsn // PAGE * PAGE, lsn // made.size * made.size + made.size)]


CHANGES: list[Change] = [
    flip, flip, flip_in_header, scribble, zero_page, zero_sectors, swap_pages, repeat_page, several, truncate,
]  # fmt: skip


def any_lsn(rng: random.Random, made: Window) -> int:
    segment = rng.choice(made.run.segments)
    return segment.start + rng.randrange(made.size)


def replaced(made: Window, lsn: int, data: bytes) -> list[Range]:
    """Write data; the ranges of bytes that it changed."""
    before = made.read(lsn, len(data))
    made.write(lsn, data)
    changed = [n for n, (old, new) in enumerate(zip(before, data, strict=True)) if old != new]
    ranges: list[Range] = []
    for n in changed:
        if ranges and ranges[-1][1] == lsn + n:
            ranges[-1] = (ranges[-1][0], lsn + n + 1)
        else:
            ranges.append((lsn + n, lsn + n + 1))
    return ranges
