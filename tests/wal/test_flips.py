"""One flipped bit in a real record never passes: verify names the record's LSN, and where readable WAL goes on.

The records and their places come from pg_waldump, not from the reader under test.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pgreplterm.wal import EndKind, Run, RunReport, WalSource, open_source
from pgreplterm.wal.verification import verify_run

from .builder import LONG_HEADER, SHORT_HEADER
from .conftest import SMALL_CORPORA, corpus_name
from .corpus import MB, Corpus, lsn_of
from .servers import scratch_folder

SEED = 20231130
FLIPS_PER_MAJOR = 250
PAGE = 8192

_PLACE = re.compile(r"len \(rec/tot\): +\d+/ *(\d+), tx: +\d+, lsn: ([0-9A-F/]+),")

# The header's fields (offset, length in bytes): each gets its share of flips, however short it is.
HEADER_FIELDS = {
    "xl_tot_len": (0, 4),
    "xl_xid": (4, 4),
    "xl_prev": (8, 8),
    "xl_info": (16, 1),
    "xl_rmid": (17, 1),
    "padding": (18, 2),
    "xl_crc": (20, 4),
}


@dataclass(frozen=True)
class Place:
    """A record: its LSN and its xl_tot_len in bytes."""

    lsn: int
    length: int

    def byte(self, number: int) -> int:
        """The LSN of the record's byte of that number; page headers in between are not the record's."""
        lsn = self.lsn
        while number >= (room := PAGE - lsn % PAGE):
            number -= room
            lsn += room
            lsn += LONG_HEADER if lsn % MB == 0 else SHORT_HEADER
        return lsn + number


@dataclass(frozen=True)
class Stream:
    """One timeline of a corpus, with the place of every record that pg_waldump found in it."""

    source: WalSource
    records: list[Place]

    @property
    def run(self) -> Run:
        """The one run there is."""
        return self.source.runs[0]

    def window(self, record: Place) -> Run:
        """The record's own segments, the one before and the one behind: enough to see that the stream goes on."""
        first, last = record.lsn // MB - 1, record.byte(record.length - 1) // MB + 1
        return Run(self.run.timeline, tuple(s for s in self.run.segments if first <= s.number <= last))

    @contextmanager
    def flipped(self, lsn: int, bit: int) -> Iterator[None]:
        """That bit of the byte at lsn is the other way round."""
        segment = next(s for s in self.run.segments if s.number == lsn // MB)
        _flip(Path(segment.where), lsn % MB, bit)
        try:
            yield
        finally:
            _flip(Path(segment.where), lsn % MB, bit)


def _flip(path: Path, offset: int, bit: int) -> None:
    with path.open("r+b") as segment:
        segment.seek(offset)
        byte = segment.read(1)[0]
        segment.seek(offset)
        segment.write(bytes([byte ^ 1 << bit]))


@pytest.fixture(scope="module")
def corpus(corpus: Corpus) -> Iterator[Corpus]:
    """Files of this module's own."""
    with scratch_folder() as folder:
        yield corpus.copied(folder / "wal")


@pytest.fixture(scope="module")
def stream(corpus: Corpus) -> Stream:
    """Timeline 1, up to the shutdown checkpoint it was left at."""
    found = [_PLACE.search(line) for line in corpus.waldump(1).lines]
    return Stream(open_source(corpus.only(1)), [Place(lsn_of(m[2]), int(m[1])) for m in found if m])


def _named(report: RunReport) -> list[int]:
    """Every LSN the report calls damaged or torn."""
    named = [int(damage.at.record) for damage in report.damages]
    return [*named, int(report.end_lsn)] if report.end in (EndKind.TORN, EndKind.DAMAGE) else named


@pytest.mark.parametrize("corpus", SMALL_CORPORA, ids=corpus_name, indirect=True)
def test_every_flip_is_found_and_named(stream: Stream) -> None:
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    following = dict(zip(stream.records, stream.records[1:], strict=False))
    wrong = []
    for turn in range(FLIPS_PER_MAJOR):
        record = rng.choice(stream.records[:-1])
        start, length = rng.choice([*HEADER_FIELDS.values()]) if turn % 3 == 0 else (0, record.length)
        lsn, bit = record.byte(start + rng.randrange(length)), rng.randrange(8)
        with stream.flipped(lsn, bit):
            report = verify_run(stream.source, stream.window(record))
        damages = [(int(damage.at.record), int(damage.resumed)) for damage in report.damages]
        if damages != [(record.lsn, following[record].lsn)] or not report.is_finding:
            wrong.append(f"bit {bit} of byte {lsn:X} of the record at {record.lsn:X}: {damages}, {report.sentence}")
    assert not wrong, f"seed {SEED}: {len(wrong)} of {FLIPS_PER_MAJOR}\n" + "\n".join(wrong[:20])


@pytest.mark.parametrize("corpus", SMALL_CORPORA, ids=corpus_name, indirect=True)
def test_every_header_bit_of_the_last_record(stream: Stream) -> None:
    """No record follows, so it cannot be told from a torn write; but it is one or the other, never a clean end."""
    record = stream.records[-1]
    for bit in range(8 * 24):
        with stream.flipped(record.byte(bit // 8), bit % 8):
            report = verify_run(stream.source, stream.window(record))
        assert _named(report) == [record.lsn], f"bit {bit}: {report.sentence}"
        assert report.is_finding


@pytest.mark.parametrize("corpus", SMALL_CORPORA[:1], ids=corpus_name, indirect=True)
def test_a_later_timeline_does_not_excuse_the_last_record(stream: Stream, corpus: Corpus) -> None:
    """The history file says where timeline 1 was left; a flip just before that is not the switch."""
    whole = open_source(corpus.folder)
    record = stream.records[-1]
    run = Run(1, tuple(s for s in whole.runs[0].segments if s.number >= record.lsn // MB - 1))
    assert verify_run(whole, run).end is EndKind.SWITCHED
    for bit in range(0, 8 * record.length, 3):
        with stream.flipped(record.byte(bit // 8), bit % 8):
            report = verify_run(whole, run)
        assert _named(report) == [record.lsn], f"bit {bit}: {report.sentence}"


@pytest.mark.parametrize("corpus", SMALL_CORPORA, ids=corpus_name, indirect=True)
@pytest.mark.parametrize("length", [0, 1, 23])
def test_a_length_below_a_header_is_damage_when_records_follow(stream: Stream, length: int) -> None:
    """xl_tot_len 0 is how WAL ends; in mid-stream it is no end."""
    record, following = next((a, b) for a, b in zip(stream.records, stream.records[1:], strict=False) if a.length > 60)
    segment = next(s for s in stream.run.segments if s.number == record.lsn // MB)
    path = Path(segment.where)
    before = path.read_bytes()
    offset = record.lsn % MB
    path.write_bytes(before[:offset] + length.to_bytes(4, "little") + before[offset + 4 :])
    try:
        report = verify_run(stream.source, stream.window(record))
    finally:
        path.write_bytes(before)
    assert [(d.at.record, d.resumed) for d in report.damages] == [(record.lsn, following.lsn)], report.sentence


@pytest.mark.parametrize("corpus", SMALL_CORPORA, ids=corpus_name, indirect=True)
def test_unflipped_it_is_clean(stream: Stream) -> None:
    """The same windows, untouched: the findings above come from the flips alone."""
    rng = random.Random(SEED)
    for record in rng.sample(stream.records[:-1], 20):
        report = verify_run(stream.source, stream.window(record))
        assert not report.damages, report.damages[0].sentence
        assert record.lsn < report.end_lsn
