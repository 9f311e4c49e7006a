"""The fourteen ends of src/test/recovery/t/039_end_of_wal.pl, made on real servers as that test makes them.

A message is logged up to a chosen place in a page, the server is killed, and a few bytes are written behind the end.
Then verify names the kind of end and its LSN, and the server, started again, says in its log what it met there.

Most cases write a length of 2 GB, which no record has had since 16. Nothing may be sized by it, nor skipped.
"""

from __future__ import annotations

import re
import shutil
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgreplterm.wal import LSN, EndKind

from .builder import FIRST_IS_CONTRECORD, LAYOUTS
from .corpus import MB
from .ends import PAGE, verify
from .servers import MAJORS, Server, throwaway_server

TWO_GB = 2 << 30
QUARTER = PAGE // 4


class Writer:
    """A session that moves the end of WAL to where a case needs it."""

    def __init__(self, session: psycopg.Connection[Any]) -> None:
        self._session = session

    def emit(self, size: int) -> int:
        """Log a message of that many bytes; the LSN behind it, where its transaction's commit begins."""
        return self._lsn("select pg_logical_emit_message(true, '', repeat('a', %s)) - '0/0'", size)

    def position(self) -> int:
        return self._lsn("select pg_current_wal_insert_lsn() - '0/0'")

    def leave_the_page_end(self) -> int:
        """Go on until a few small records fit on the page."""
        while (at := self.position()) % PAGE >= PAGE - QUARTER:
            self.emit(QUARTER)
        return at

    def reach_the_page_end(self) -> int:
        """Go on until no record header fits on the page: in big steps, then by 8 bytes a time."""
        while (at := self.position()) % PAGE <= PAGE - 512:
            self.emit(PAGE - at % PAGE - 256)
        size = PAGE - 80
        while (before := at) % PAGE <= PAGE - 24:
            self.emit(size)
            at = self.position()
            moved = at % PAGE - before % PAGE
            size += 8 * ((moved < 8) - (moved > 8))
        return at

    def _lsn(self, query: str, *values: int) -> int:
        row = self._session.execute(query, values).fetchone()
        assert row is not None
        return int(row[0])


@dataclass(frozen=True)
class Place:
    """Where a case happens: the end of WAL, the record before it, and what lies behind the end already."""

    end: int
    prev: int = 0
    commit: int | None = None


def roomy(writer: Writer) -> Place:
    """An end with room on its page."""
    writer.emit(0)
    return Place(writer.leave_the_page_end())


def split(writer: Writer) -> Place:
    """An end so near the end of its page that a record header is split."""
    writer.emit(0)
    return Place(writer.reach_the_page_end())


def behind_a_message(writer: Writer) -> Place:
    """The end of a message, where its commit stands until it is overwritten; prev is the message."""
    writer.emit(0)
    prev = writer.leave_the_page_end()
    return Place(writer.emit(0), prev)


def inside_a_message(writer: Writer) -> Place:
    """The last bytes of a message; its commit follows."""
    writer.emit(0)
    message = writer.leave_the_page_end()
    end = writer.emit(10)
    return Place(end - 8, message, commit=end)


def header(length: int, prev: int = 0, xid: int = 0) -> bytes:
    return struct.pack("<IIQBBHI", length, xid, prev, 0, 0, 0, 0)


def page(magic: int, info: int = 0, address: int | None = None, remaining: int = 0) -> Any:
    """The header of the next page, once its address is known; address None is its own."""
    return lambda own, real: struct.pack(
        "<HHIQI", real if magic == -1 else magic, info, 1, own if address is None else address, remaining
    )


OWN_MAGIC = -1


@dataclass(frozen=True)
class Case:
    """One scenario. log is what the server says, words what our sentence says besides kind and LSN."""

    place: Any
    log: str
    words: str
    kind: EndKind = EndKind.TORN
    length: int | None = None
    prev: int | None = None  # None: the right one
    page: Any = None
    spoil: bytes = field(default=b"")


STRAY = 0xDEADBEEF
STALE = 0xBAAAAAAD

CASES = {
    "xl_tot_len zero": Case(roomy, "invalid record length at .*: .*got 0", "nothing was written", EndKind.CLEAN),
    "xl_tot_len short": Case(
        roomy, "invalid record length at .*: .*got 23", "at least 24, found 23", length=23, prev=0
    ),
    "xl_tot_len short at end-of-page": Case(
        split, "invalid record length at .*: .*got 1", "at least 24, found 1", length=1, prev=0
    ),
    "xl_prev bad": Case(
        roomy, "incorrect prev-link 0/DEADBEEF at ", "found 0/DEADBEEF", length=TWO_GB, prev=STRAY
    ),
    "xl_crc bad": Case(
        inside_a_message, "incorrect resource manager data checksum", "expected CRC", EndKind.DAMAGE, spoil=b"!"
    ),
    "xlp_magic zero": Case(
        behind_a_message, "invalid magic number 0000 in ", "magic {magic:04X}, found 0000", length=TWO_GB
    ),
    "xlp_magic bad": Case(
        behind_a_message, "invalid magic number CAFE in ", "magic {magic:04X}, found CAFE",
        length=TWO_GB, page=page(0xCAFE),
    ),
    "xlp_pageaddr bad": Case(
        behind_a_message, "unexpected pageaddr 0/BAAAAAAD in ", "its own address, found 0/BAAAAAAD",
        length=TWO_GB, page=page(OWN_MAGIC, address=STALE),
    ),
    "xlp_info bad": Case(
        behind_a_message, "invalid info bits 1234 in ", "found 1234",
        length=TWO_GB, page=page(OWN_MAGIC, info=0x1234),
    ),
    "xlp_info lacks XLP_FIRST_IS_CONTRECORD": Case(
        behind_a_message, "there is no contrecord flag at ", "its continuation", length=TWO_GB, page=page(OWN_MAGIC)
    ),
    "xlp_rem_len bad": Case(
        behind_a_message, "invalid contrecord length 123456 .* at ", "found 123456",
        length=TWO_GB, page=page(OWN_MAGIC, info=FIRST_IS_CONTRECORD, remaining=123456),
    ),
    "xlp_magic zero (split record header)": Case(
        split, "invalid magic number 0000 in ", "magic {magic:04X}, found 0000", length=TWO_GB, prev=STRAY
    ),
    "xlp_pageaddr bad (split record header)": Case(
        split, "unexpected pageaddr 0/BAAAAAAD in ", "its own address, found 0/BAAAAAAD",
        length=TWO_GB, prev=STRAY, page=page(OWN_MAGIC, info=FIRST_IS_CONTRECORD, address=STALE),
    ),
    "xlp_rem_len bad (split record header)": Case(
        split, "invalid contrecord length 123456 .* at ", "found 123456",
        length=TWO_GB, prev=STRAY, page=page(OWN_MAGIC, info=FIRST_IS_CONTRECORD, remaining=123456),
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=MAJORS)
def server(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Server]:
    """One server a major, killed and started again by every case; what lies behind its WAL is zero."""
    settings = {
        "wal_level": "minimal",
        "max_wal_senders": 0,
        "wal_keep_size": 0,
        "synchronous_commit": "on",
        "wal_recycle": "off",
    }
    with throwaway_server(request.param, scratch / f"end-{request.param}", "--wal-segsize=1", **settings) as server:
        with server.connect() as session:
            session.execute("create table t as select 42")
            session.execute("select pg_switch_wal()")
            row = session.execute("select pg_walfile_name(pg_current_wal_insert_lsn() + 1)").fetchone()
        server.stop()
        for recycled in server.wal.glob("0000????????????????????"):
            if row is not None and recycled.name > row[0]:
                recycled.unlink()
        server.start()
        with server.connect() as session:
            session.execute("create table u as select 42")
            session.execute("select pg_switch_wal()")
        yield server


def major_of(server: Server) -> int:
    return int((server.data / "PG_VERSION").read_text())


def write(server: Server, lsn: int, data: bytes) -> None:
    """Overwrite WAL of the stopped server; a page header may lie in the next segment, which must exist."""
    path = server.wal / f"{1:08X}{lsn >> 32:08X}{(lsn & 0xFFFFFFFF) // MB:08X}"
    with path.open("r+b") as segment:
        segment.seek(lsn % MB)
        segment.write(data)


@contextmanager
def made(server: Server, case: Case) -> Iterator[Place]:
    """Bring the server's WAL into the state of the case; it is stopped inside, and started again behind."""
    with server.connect() as session:
        place: Place = case.place(Writer(session))
    server.stop(signal.SIGQUIT)
    following = place.end - place.end % PAGE + PAGE
    if case.length is not None:
        write(server, place.end, header(case.length, place.prev if case.prev is None else case.prev))
    if case.page is not None:
        write(server, following, case.page(following, LAYOUTS[major_of(server)].magic))
    if case.spoil:
        write(server, place.end, case.spoil)
    try:
        yield place
    finally:
        server.start()


def log_since(server: Server, begin: int) -> str:
    return (server.folder / "log").read_bytes()[begin:].decode(errors="replace")


def assert_named(report: Any, case: Case, place: Place, words: str) -> None:
    if place.commit is not None:
        (damage,) = report.damages
        assert (damage.at.record, damage.resumed, report.end) == (place.prev, place.commit, EndKind.CLEAN)
        assert words in damage.sentence and str(LSN(place.prev)) in damage.sentence
        return
    assert (report.end, report.end_lsn, report.damages) == (case.kind, place.end, ()), report.sentence
    assert words in report.sentence and str(LSN(place.end)) in report.sentence


def copy_of(server: Server, folder: Path) -> Path:
    """The server's segments without its pg_control beside them: an archive."""
    return Path(shutil.copytree(server.wal, folder, ignore=shutil.ignore_patterns("archive_status", "summaries")))


@pytest.mark.parametrize("name", CASES)
def test_the_end_is_named_and_the_server_meets_it(server: Server, name: str, tmp_path: Path) -> None:
    case = CASES[name]
    before = (server.folder / "log").stat().st_size
    with made(server, case) as place:
        report = verify(copy_of(server, tmp_path / "wal"))
    assert_named(report, case, place, case.words.format(magic=LAYOUTS[major_of(server)].magic))
    assert re.search(case.log, log_since(server, before)), log_since(server, before)


@pytest.mark.parametrize("name", ["xlp_magic zero", "xlp_rem_len bad (split record header)"])
def test_in_the_data_directory_of_a_killed_server_the_record_is_unfinished(server: Server, name: str) -> None:
    """pg_control still says that the server is in production: this is what a crash looks like, and no finding."""
    with made(server, CASES[name]) as place:
        report = verify(server.data)
    assert (report.end, report.end_lsn, report.is_finding) == (EndKind.UNFINISHED, place.end, False), report.sentence
