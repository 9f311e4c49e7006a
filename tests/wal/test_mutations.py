"""Broken WAL, broken at random: the reader stops at the very record where that major's pg_waldump stops.

Two kinds: any byte of the stream (page headers above all), and a record's fragment headers under a CRC made right
again, which is what a hostile writer would do. There the reader may refuse more than the server, never less.
"""

from __future__ import annotations

import copy
import random
import shutil
from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.wal.walker import Code

from .builder import SHORT_HEADER, Block, Image, Record, Wal, noop_of, seal
from .corpus import MB, waldump
from .servers import MAJORS
from .test_builder import lsns, varied

SEED = 19960708
ROUNDS = 60
PAGE = 8192

# What xlogreader.c takes without a look: images longer than a page, holes past its end, forks that do not exist,
# fragments that occur twice.
STRICTER = {Code.BLOCK_IMAGE, Code.BLOCK_FORK, Code.FRAGMENT_ID, Code.FRAGMENT_LENGTH}


def _compare(major: int, built: Wal, folder: Path) -> tuple[list[int], list[int], Code | None]:
    """Our records, pg_waldump's, and why we stopped."""
    shutil.rmtree(folder, ignore_errors=True)
    first = built.write(folder)[0]
    source = wal.open_source(folder)
    scan = wal.scan_run(source, source.runs[0])
    theirs = lsns(waldump(major, "-p", folder, first.name, source.runs[0].segments[-1].file_name).lines)
    return [row.lsn for row in scan.index], theirs, scan.stopped.code if scan.stopped else None


@pytest.mark.parametrize("major", MAJORS)
def test_any_byte(major: int, tmp_path: Path) -> None:
    rng = random.Random(SEED + major)
    healthy = varied(major)
    for turn in range(ROUNDS):
        built = copy.deepcopy(healthy)
        _, page = rng.choice(list(built.pages)[1:])
        offset = rng.randrange(SHORT_HEADER) if turn % 3 else rng.randrange(PAGE)
        value = rng.choice([0, 0xFF, 1 << rng.randrange(8), rng.randrange(256)])
        built.poke(page + offset, bytes([value]))
        ours, theirs, _ = _compare(major, built, tmp_path / "wal")
        assert ours == theirs, f"seed {SEED + major}, turn {turn}: byte {page + offset:X} set to {value:#x}"


@pytest.mark.parametrize("major", MAJORS)
def test_fragment_headers_under_a_right_crc(major: int, tmp_path: Path) -> None:
    rng = random.Random(SEED - major)
    refused = 0
    for turn in range(ROUNDS):
        built = Wal(major, start=3 * MB, segment_size=MB)
        built.append()
        record = _with_every_fragment(built)
        lsn = built.append(record)
        built.append(noop_of(40))
        data = bytearray(record.bytes_at(built.records[0]))
        heads = len(record.body()) - len(record.main) - sum(len(block.payload()) for block in record.blocks)
        offset = 24 + rng.randrange(heads)
        data[offset] = rng.choice([0, 0xFF, data[offset] ^ 1 << rng.randrange(8), rng.randrange(256)])
        built.poke(lsn, seal(bytes(data)))
        ours, theirs, code = _compare(major, built, tmp_path / "wal")
        words = f"seed {SEED - major}, turn {turn}: byte {offset} of the record set to {data[offset]:#x}: {code!r}"
        assert ours == theirs or (len(ours) == 1 and code in STRICTER), words
        refused += len(ours) == 1
    assert ROUNDS // 4 < refused < ROUNDS


def _with_every_fragment(built: Wal) -> Record:
    bits = built.layout
    blocks = (
        Block(1, data=b"tuple", image=Image(b"\1" * 700, bits.hole | bits.apply, hole_offset=40)),
        Block(2, relation=None, image=Image(b"\2" * 60, bits.hole | bits.pglz, 24, hole_length=512)),
        Block(3, relation=(1663, 5, 99), fork=2),
    )
    return Record(blocks=blocks, origin=4, toplevel_xid=9, main=b"m" * 20)
