"""The synthetic WAL is WAL: every installed pg_waldump reads it and finds the records where the builder put them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .builder import Block, Image, Record, Wal, noop_of
from .corpus import MB, lsn_of, waldump
from .servers import MAJORS

_LSN = re.compile(r"lsn: ([0-9A-F]+/[0-9A-F]+), prev")


def lsns(lines: list[str]) -> list[int]:
    return [lsn_of(match[1]) for match in map(_LSN.search, lines) if match]


def varied(major: int, segment_size: int = MB, page_size: int = 8192) -> Wal:
    """Records of every shape: across pages and segments, split headers, an aborted one, switches, block references."""
    wal = Wal(major, start=3 * segment_size, segment_size=segment_size, page_size=page_size)
    wal.append()
    wal.append(noop_of(3 * page_size))
    for room in range(8, 48, 8):
        wal.fill_to(room)
        wal.append(noop_of(40))
    wal.fill_to(0)
    wal.append()
    wal.abort_record(noop_of(2 * page_size))
    hole = Image(b"\1" * 4192, wal.layout.hole | wal.layout.apply, hole_offset=100)
    packed = Image(b"\2" * 90, wal.layout.hole | wal.layout.pglz, hole_offset=24, hole_length=8)
    blocks = (
        Block(7, image=hole, data=b"tuple"),
        Block(8, relation=None, fork=2, image=packed),
        Block(9, relation=(1663, 5, 99), image=Image(b"\3" * 8192, wal.layout.apply)),
    )
    wal.append(Record(xid=7, blocks=blocks, origin=3, toplevel_xid=6 if major > 13 else None, main=b"m" * 300))
    wal.switch()
    wal.append()
    wal.fill_to(24)
    wal.switch()
    wal.append()
    wal.append(noop_of(segment_size + 8)) if segment_size == MB else None
    wal.append()
    return wal


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("segment_mb", [1, 16, 1024])
def test_pg_waldump_reads_what_the_builder_writes(major: int, segment_mb: int, tmp_path: Path) -> None:
    wal = varied(major, segment_mb * MB)
    files = wal.write(tmp_path)
    assert lsns(waldump(major, "-p", tmp_path, files[0].name, files[-1].name).lines) == wal.records
