"""Where a range begins and ends, and what is said of WAL that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pgreplterm.wal import LSN, EndKind, WalError, open_source
from pgreplterm.wal.changes import Outcome, changes

from .changed import Measured, rows_of
from .corpus import MB
from .servers import MAJORS, throwaway_server

PAGE = 8192


@pytest.fixture(scope="module", params=MAJORS)
def measured(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Measured]:
    """A server of that major, and a session on it."""
    with (
        throwaway_server(request.param, scratch / "ranges", "--wal-segsize=1") as server,
        server.connect() as session,
    ):
        yield Measured(server, session, logical=False)


def test_a_transaction_that_began_before_the_range(measured: Measured) -> None:
    """It counts where it commits, with the rows that were written in the range; and where it does not, it is open."""
    measured.run("create table long (id int)")
    table = measured.file_of("long")
    begin = measured.lsn()
    measured.run("begin; insert into long values (1), (2), (3)")
    xid, start = int(measured.ask("select pg_current_xact_id()::text")), measured.lsn()
    measured.run("insert into long values (4), (5)")
    middle = measured.lsn()
    measured.run("commit")
    end = measured.lsn()
    (whole,) = measured.between(begin, end).transactions
    assert (whole.xid, whole.outcome, rows_of(whole, table)) == (xid, Outcome.COMMIT, (5, 0, 0))
    (rest,) = measured.between(start, end).transactions
    assert (rest.xid, rest.outcome, rows_of(rest, table)) == (xid, Outcome.COMMIT, (2, 0, 0))
    assert rest.begin >= start and rest.commit_lsn == whole.commit_lsn == middle
    before = measured.between(begin, middle)
    assert (before.commits, before.unfinished, before.rows) == (0, 1, 0)
    assert (before.transactions[0].outcome, rows_of(before.transactions[0], table)) == (Outcome.OPEN, (5, 0, 0))


def test_a_start_inside_a_commit_record(measured: Measured) -> None:
    """Whoever has flushed up to any byte of it does not have the commit; whoever has all of it, does."""
    measured.run("create table inside (id int)")
    start = measured.lsn()
    measured.run("insert into inside values (1)")
    (one,) = measured.between(start, measured.lsn()).transactions
    assert one.commit_lsn is not None and one.commit_end is not None
    source, found = measured.source(), {}
    for byte in range(one.commit_lsn - 8, one.commit_end + 1):
        found[byte - one.commit_lsn] = changes(source, LSN(byte), one.commit_end).commits
    length = one.commit_end - one.commit_lsn
    assert [found[at] for at in range(-8, length - 7)] == [1] * (length + 1)
    assert found[length] == 0
    for byte in range(one.commit_lsn, one.commit_end + 1):
        before = changes(source, start, LSN(byte))
        assert before.commits + before.unfinished == 1 and before.complete
        assert before.commits == 1 - changes(source, LSN(byte), one.commit_end).commits


def test_a_commit_record_over_many_pages(measured: Measured) -> None:
    """One subtransaction after another makes a commit record of 40 kB: wherever in it a range begins, it counts."""
    measured.run("create table paged (id int)")
    table, start = measured.file_of("paged"), measured.lsn()
    measured.session.execute(
        "do $$ begin for n in 1..10000 loop begin insert into paged values (n); "
        "exception when division_by_zero then null; end; end loop; end $$"
    )
    end = measured.lsn()
    (one,) = measured.between(start, end).transactions
    assert rows_of(one, table) == (10000, 0, 0)
    assert one.commit_lsn is not None and one.commit_end is not None
    first = one.commit_lsn - one.commit_lsn % PAGE + PAGE
    assert one.commit_end - first > 4 * PAGE
    places = [place for page in range(first, one.commit_end, PAGE) for place in (page - 1, page, page + 1, page + 24)]
    for place in [*places, one.commit_end - 8]:
        (found,) = measured.between(LSN(place), end).transactions
        assert (found.xid, found.commit_lsn, found.rows) == (one.xid, one.commit_lsn, 0)
        assert found.begin == one.commit_lsn < place
    assert measured.between(one.commit_end, end).transactions == ()


def test_an_empty_range_and_the_end_of_wal(measured: Measured) -> None:
    measured.run("create table last (id int)")
    start = measured.lsn()
    measured.run("insert into last values (1)")
    end = measured.lsn()
    measured.flush()
    for nothing in (measured.between(start, start), measured.between(end, start), measured.between(end, end)):
        assert (nothing.commits, nothing.bytes, nothing.complete) == (0, 0, True)
    found = measured.between(start)
    assert (found.commits, found.end, found.complete) == (1, None, True)
    assert found.reached >= end
    beyond = changes(measured.source(), start, LSN(end + 64 * MB))
    assert (beyond.commits, beyond.complete) == (1, False)
    assert beyond.ended is not EndKind.RANGE_END and beyond.reached < end + 64 * MB
    nowhere = changes(measured.source(), LSN(end + 64 * MB), LSN(end + 65 * MB))
    assert (nowhere.commits, nowhere.complete, nowhere.ended) == (0, False, EndKind.MISSING_SEGMENT)


def test_an_end_at_each_page_and_segment(measured: Measured) -> None:
    """Servers give LSNs before and behind page headers; none of them is a gap."""
    measured.run("create table filled (body text)")
    start = measured.lsn()
    measured.run("insert into filled select repeat('x', 500) from generate_series(1, 5000)")
    end = measured.lsn()
    measured.flush()
    source = measured.source()
    boundary = end - end % MB
    for lsn in (boundary, boundary + 40, boundary + PAGE, boundary + PAGE + 24):
        assert start < lsn
        found = changes(source, start, LSN(lsn))
        assert found.complete, found.sentence
        assert found.reached <= lsn
    switched = measured.lsn()  # behind a switch, in a segment of which nothing is written
    assert switched % MB in (0, 40)
    found = changes(source, start, switched)
    assert (found.commits, found.complete) == (1, True), found.sentence


def test_the_limit_shortens_the_list_alone(measured: Measured) -> None:
    measured.run("create table listed (id int)")
    start = measured.lsn()
    for number in range(30):
        measured.run(f"insert into listed values ({number})")
    measured.run("begin; insert into listed values (-1); rollback")
    measured.run("begin; insert into listed values (-2)")
    end = measured.lsn()
    measured.run("commit")
    whole = measured.between(start, end)
    assert (len(whole.transactions), whole.commits, whole.aborts, whole.unfinished) == (32, 30, 1, 1)
    for limit in (0, 1, 17, 30, 31, 32):
        part = measured.between(start, end, limit=limit)
        assert part.transactions == whole.transactions[:limit]
        assert part.omitted == 32 - limit
        for name in ("commits", "aborts", "unfinished", "relations", "bytes", "oldest_commit", "newest_commit"):
            assert getattr(part, name) == getattr(whole, name)


def test_what_is_not_there_is_said(measured: Measured, tmp_path: Path) -> None:
    """A segment missing before the start, and between start and end: what was read is counted, and not called all."""
    measured.run("create table holes (id int, body text)")
    start = measured.lsn()
    for number in range(1, 5):
        measured.run(f"insert into holes select n, repeat('x', 1000) from generate_series(1, 900) n where {number} > 0")
    end = measured.lsn()
    measured.flush()
    names = [segment.file_name for segment in measured.source().segments]
    kept = [name for name in names if start // MB <= int(name[8:16], 16) * 4096 + int(name[16:], 16) <= end // MB]
    assert len(kept) >= 4
    for missing in (kept[0], kept[2]):
        folder = tmp_path / missing
        folder.mkdir()
        for name in kept:
            if name != missing:
                (folder / name).write_bytes((measured.server.wal / name).read_bytes())
        found = changes(open_source(folder), start, end)
        assert not found.complete and found.ended is EndKind.MISSING_SEGMENT
        assert 1 <= found.commits <= 4 and "is not here" in found.sentence, found.sentence
        # The range begins in the middle of a record, whose beginning is gone.
        second = LSN(int(kept[1][16:], 16) * MB)
    found = changes(open_source(tmp_path / kept[0]), second, end)
    assert (found.complete, found.ended) == (False, EndKind.MISSING_SEGMENT)


def test_a_timeline_that_is_not_there(measured: Measured) -> None:
    with pytest.raises(WalError, match="expected timeline 7; found 1"):
        changes(measured.source(), measured.lsn(), timeline=7)
