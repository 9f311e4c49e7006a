"""What transactions did between two LSNs, on real servers: known work, and the count of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgreplterm.wal.changes import Changes, Outcome, Transaction

from .changed import Measured, rows_of
from .servers import MAJORS, throwaway_server

LEVELS = [(major, level) for major in MAJORS for level in ("replica", "logical")]


@pytest.fixture(scope="module", params=LEVELS, ids=lambda each: f"{each[0]}-{each[1]}")
def measured(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Measured]:
    """A server of that major and wal_level, and a session on it."""
    major, level = request.param
    settings = {"wal_level": level, "max_prepared_transactions": 5, "checkpoint_timeout": "1h"}
    with (
        throwaway_server(major, scratch / "changes", "--wal-segsize=1", **settings) as server,
        server.connect() as session,
    ):
        yield Measured(server, session, level == "logical")


def only(found: Changes) -> Transaction:
    """The one transaction there is."""
    (one,) = found.transactions
    return one


def test_transactions_over_two_tables_row_for_row(measured: Measured) -> None:
    """What was committed is counted, in commit order and by xid, and what was rolled back is not."""
    measured.run("create table orders (id int primary key, n int); create table lines (id int, body text)")
    orders, lines = measured.file_of("orders"), measured.file_of("lines")
    xids = []

    def work() -> None:
        for number in range(20):
            with measured.session.transaction():
                xids.append(int(measured.ask("select pg_current_xact_id()::text")))
                measured.run(f"insert into orders values ({number}, 0)")
                measured.run("insert into lines select n, 'line' from generate_series(1, 24) n")
        measured.run("begin; insert into orders values (100, 1); delete from lines; rollback")
        measured.run("update orders set n = 1 where id < 7; delete from lines where id = 24")

    found = measured.changed_by(work)
    assert (found.commits, found.aborts, found.unfinished, found.omitted) == (22, 1, 0, 0)
    assert [each.xid for each in found.committed][:20] == xids
    assert rows_of(found, orders) == (20, 7, 0)
    assert rows_of(found, lines) == (480, 0, 20)
    assert found.rows == 527
    for each in found.committed[:20]:
        assert (rows_of(each, orders), rows_of(each, lines)) == ((1, 0, 0), (24, 0, 0))
    (rolled_back,) = [each for each in found.transactions if each.outcome is Outcome.ABORT]
    assert (rows_of(rolled_back, orders), rows_of(rolled_back, lines)) == ((1, 0, 0), (0, 0, 480))
    assert rolled_back.commit_lsn is rolled_back.commit_end is rolled_back.committed_at is None
    ends = [each.commit_end for each in found.committed]
    assert ends == sorted(ends, key=int) and len(set(ends)) == 22
    assert sum(each.bytes for each in found.transactions) == found.record_bytes


def test_a_commits_lsn_and_time_are_the_servers(measured: Measured) -> None:
    measured.run("create table clock (id int)")
    start = measured.lsn()
    measured.run("set synchronous_commit = on")
    before = measured.ask("select extract(epoch from clock_timestamp())::float8")
    measured.run("insert into clock values (1)")
    end, flushed = measured.lsn(), measured.lsn("pg_current_wal_flush_lsn")
    after = measured.ask("select extract(epoch from clock_timestamp())::float8")
    found = measured.between(start, end)
    one = only(found)
    assert one.commit_end == flushed, "what a synchronous commit has flushed, and waits for"
    assert one.begin == start and one.commit_lsn is not None and start < one.commit_lsn < flushed
    assert one.committed_at is not None and before <= one.committed_at <= after
    assert found.oldest_commit == found.newest_commit == one.committed_at


def test_copy_and_the_rows_of_many_in_one_record(measured: Measured) -> None:
    measured.run("create table copied (id int, body text)")
    copied = measured.file_of("copied")

    def work() -> None:
        with measured.session.cursor() as cursor, cursor.copy("copy copied from stdin") as copy:
            for number in range(2345):
                copy.write_row((number, "x" * (number % 90)))

    assert rows_of(measured.changed_by(work), copied) == (2345, 0, 0)


def test_hot_updates_and_others(measured: Measured) -> None:
    measured.run("create table hot (id int primary key, n int, body text) with (fillfactor = 50)")
    measured.run("insert into hot select n, 0, repeat('x', 100) from generate_series(1, 300) n")
    hot = measured.file_of("hot")
    found = measured.changed_by("update hot set n = 1; update hot set id = id + 1000; delete from hot where id < 1101")
    assert rows_of(found, hot) == (0, 600, 100)
    index = measured.file_of("hot_pkey")
    (bytes_of_index,) = [each for each in found.relations if each.relation == index[2]]
    assert bytes_of_index.rows == 0 and bytes_of_index.record_bytes > 0


def test_toast_rows_are_the_toast_tables(measured: Measured) -> None:
    measured.run("create table wide (id int, body text); alter table wide alter body set storage external")
    wide = measured.file_of("wide")
    toast = measured.file_of(measured.ask("select reltoastrelid::regclass::text from pg_class where relname = 'wide'"))
    found = measured.changed_by("insert into wide values (1, repeat('x', 19960))")
    assert rows_of(found, wide) == (1, 0, 0)
    assert rows_of(found, toast) == (10, 0, 0)


# ---- subtransactions ----


def test_rolled_back_savepoints_are_not_counted(measured: Measured) -> None:
    measured.run("create table sub (id int)")
    sub = measured.file_of("sub")
    found = measured.changed_by(
        "begin; insert into sub values (1); savepoint a; insert into sub values (2), (3); savepoint b;"
        "insert into sub values (4); release b; rollback to a; insert into sub values (5), (6), (7); savepoint c;"
        "delete from sub where id = 1; release c; savepoint d; insert into sub values (8); rollback to d; commit"
    )
    assert found.commits == 1
    assert rows_of(found, sub) == rows_of(found.committed[0], sub) == (4, 0, 1)
    assert sum(each.bytes for each in found.transactions) == found.record_bytes
    if measured.logical:
        assert only(found).outcome is Outcome.COMMIT, "the WAL says whose subtransactions they were"


def test_more_subtransactions_than_a_server_keeps_apart(measured: Measured) -> None:
    """After 64 of them a record says whose they are, those that were rolled back before it included."""
    measured.run("create table many (id int)")
    many = measured.file_of("many")

    def work() -> None:
        measured.run("begin; insert into many values (0)")
        for number in range(1, 201):
            measured.run(f"savepoint s; insert into many values ({number})")
            measured.run("rollback to s" if number % 4 == 0 and number < 60 else "release s")
        measured.run("commit")

    found = measured.changed_by(work)
    assert rows_of(only(found), many) == (1 + 200 - 14, 0, 0)
    assert found.aborts == 0 and only(found).bytes == found.record_bytes


def test_a_rolled_back_transaction_takes_its_subtransactions_along(measured: Measured) -> None:
    measured.run("create table gone (id int)")
    gone = measured.file_of("gone")
    work = "begin; insert into gone values (1); savepoint a; insert into gone values (2); release a; rollback"
    found = measured.changed_by(work)
    assert (found.commits, found.rows, found.aborts) == (0, 0, 1)
    assert rows_of(only(found), gone) == (2, 0, 0)


# ---- two-phase commit ----


def test_prepared_transactions(measured: Measured) -> None:
    measured.run("create table two (id int)")
    two = measured.file_of("two")
    start = measured.lsn()
    measured.run(
        "begin; insert into two values (1); savepoint a; insert into two values (2); release a;"
        "prepare transaction 'zweite Höhe'"
    )
    prepared = measured.lsn()
    try:
        one = only(measured.between(start, prepared))
        assert (one.outcome, one.gid, one.commit_end) == (Outcome.PREPARED, "zweite Höhe", None)
        assert rows_of(one, two) == (2, 0, 0)
        measured.run("begin; insert into two values (3); prepare transaction 'no'; rollback prepared 'no'")
    finally:
        measured.run("commit prepared 'zweite Höhe'")
    end = measured.lsn()
    whole = measured.between(start, end)
    assert (whole.commits, whole.aborts, whole.unfinished) == (1, 1, 0)
    rolled_back, committed = whole.transactions
    assert (rolled_back.gid, rolled_back.outcome) == ("no", Outcome.ABORT)
    assert (committed.xid, committed.gid, committed.outcome) == (one.xid, "zweite Höhe", Outcome.COMMIT)
    assert rows_of(whole, two) == rows_of(committed, two) == (2, 0, 0)
    assert committed.bytes > one.bytes and committed.commit_end is not None
    behind = measured.between(prepared, end)
    (later,) = behind.committed
    assert (later.xid, later.relations) == (one.xid, ())
    assert later.gid == ("zweite Höhe" if measured.logical else None), "only then is the name written again"


# ---- files that go ----


def test_truncate(measured: Measured) -> None:
    measured.run("create table emptied (id int); insert into emptied values (1)")
    before, oid = measured.file_of("emptied"), measured.ask("select 'emptied'::regclass::oid::int")
    found = measured.changed_by("truncate emptied")
    assert measured.file_of("emptied") != before
    assert [each.relation for each in found.relations if each.dropped] == [before[2]]
    truncated = [(each.tablespace, each.database, each.relation) for each in found.relations if each.truncated]
    assert truncated == ([(0, before[1], oid)] if measured.logical else [])
    rolled_back = measured.changed_by("begin; truncate emptied; rollback")
    assert not any(each.dropped for one in rolled_back.transactions for each in one.relations)


# ---- insertions that are taken back ----

_SLOW_INDEX = """
create function slow(key int) returns int language plpgsql immutable as $$ begin
  if current_setting('held.calls', true) <> '' then
    perform set_config('held.calls', (current_setting('held.calls')::int + 1)::text, false);
    if current_setting('held.calls') = '2' then perform pg_advisory_lock(7), pg_advisory_unlock(7); end if;
  end if;
  return key;
end $$"""


def test_a_speculative_insertion_that_lost_is_none(measured: Measured) -> None:
    """Both sessions insert a key; the first one waits between its row and its index entry until it has lost."""
    measured.session.execute(_SLOW_INDEX)
    measured.run("create table raced (key int, body text); create unique index on raced (slow(key))")
    raced = measured.file_of("raced")
    upsert = "insert into raced values (1, 'mine') on conflict do nothing"
    start = measured.lsn()
    with measured.server.connect() as loser:
        measured.run("select pg_advisory_lock(7)")
        loser.execute("set held.calls = '0'")
        losing = threading.Thread(target=loser.execute, args=(upsert,))
        losing.start()
        measured.server.wait_for("exists (select from pg_locks where locktype = 'advisory' and not granted)")
        measured.run("insert into raced values (1, 'theirs') on conflict do nothing")
        measured.run("select pg_advisory_unlock(7)")
        losing.join()
    assert measured.ask("select array_agg(body) from raced") == ["theirs"]
    found = measured.between(start, measured.lsn())
    assert rows_of(found, raced) == (1, 0, 0)
    tries = [rows_of(each, raced) for each in found.transactions]
    assert len(tries) == 2 and sorted(tries) == [(0, 0, 0), (1, 0, 0)]


def test_a_confirmed_speculative_insertion_is_one_row(measured: Measured) -> None:
    measured.run("create table upserted (id int primary key, n int default 0)")
    upserted = measured.file_of("upserted")
    upsert = "insert into upserted select i from generate_series(1, 30) i on conflict (id) do "
    found = measured.changed_by(f"{upsert} nothing; {upsert} update set n = 1; {upsert} nothing")
    assert rows_of(found, upserted) == (30, 30, 0)
