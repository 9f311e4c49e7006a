"""The commits past an LSN, on WAL of every major: inside a commit record, across the LSN, and where WAL is gone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from pgreplterm.cluster.connecting.connect import named_target
from pgreplterm.cluster.decoded.catalog import Catalog
from pgreplterm.cluster.decoded.commits import Survey, lost_past, survey
from pgreplterm.cluster.decoded.tables import named, tables_of
from pgreplterm.cluster.decoded.wal_range import wal_at
from pgreplterm.wal.changes import Transaction
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.source import WalSource
from tests.wal.servers import EDGES, Server, scratch_folder, throwaway_server


@dataclass
class Written:
    """A server at rest, and LSNs and xids of what was written, by name."""

    server: Server
    source: WalSource
    lsns: dict[str, LSN]
    xids: dict[str, int]

    def past(self, mark: str, surveyed: Survey | None = None) -> dict[int, Transaction]:
        surveyed = surveyed or survey(self.source, self.lsns[mark], self.lsns["end"])
        return {each.xid: each for each in lost_past(self.source, surveyed, self.lsns[mark]).transactions}


def lsn(session: psycopg.Connection[tuple[object]]) -> LSN:
    row = session.execute("select pg_current_wal_insert_lsn()::text").fetchone()
    assert row is not None
    return LSN.parse(str(row[0]))


def xid(session: psycopg.Connection[tuple[object]]) -> int:
    row = session.execute("select pg_current_xact_id()::text").fetchone()
    assert row is not None
    return int(str(row[0]))


@pytest.fixture(scope="module", params=EDGES, ids=lambda major: f"pg{major}")
def written(request: pytest.FixtureRequest) -> Iterator[Written]:
    """Short transactions, and long ones that write on both sides of the mark: plain, with savepoints, prepared."""
    with (
        scratch_folder() as scratch,
        throwaway_server(
            request.param, Path(scratch) / "w", "--wal-segsize=1", max_prepared_transactions=5, synchronous_commit="on"
        ) as server,
    ):
        lsns, xids = {}, {}
        with server.connect() as a, server.connect() as b, server.connect() as c:
            a.execute("create table t (i int)")
            a.execute("create table big as select n, repeat('f', 200) from generate_series(1, 20000) n")
            a.execute("checkpoint")
            b.execute("begin")
            xids["long"] = xid(b)
            b.execute("insert into t select generate_series(1, 100)")
            c.execute("begin")
            xids["nested"] = xid(c)
            c.execute("savepoint s")
            c.execute("insert into t select generate_series(1, 70)")
            c.execute("savepoint away")
            c.execute("insert into t select generate_series(1, 900)")
            c.execute("rollback to away")
            a.execute("begin")
            xids["prepared"] = xid(a)
            a.execute("insert into t select generate_series(1, 30)")
            a.execute("prepare transaction 'later'")
            a.execute("insert into t values (1)")
            lsns["mark"] = lsn(a)
            b.execute("insert into t select generate_series(1, 11)")
            b.execute("commit")
            c.execute("insert into t select generate_series(1, 7)")
            c.execute("commit")
            a.execute("commit prepared 'later'")
            for name in ("first", "second"):
                a.execute("begin")
                xids[name] = xid(a)
                a.execute("insert into t values (1), (2), (3)")
                a.execute("commit")
            b.execute("begin")
            b.execute("insert into t values (5)")
            lsns["end"] = lsn(a)
            a.execute("select pg_switch_wal()")
        server.stop()
        yield Written(server, wal_at(server.data, 1), lsns, xids)


def test_a_transaction_is_lost_with_the_rows_it_wrote_before_the_lsn(written: Written) -> None:
    found = written.past("mark")
    rows = {name: found[number].rows for name, number in written.xids.items()}
    assert rows == {"long": 111, "nested": 77, "prepared": 30, "first": 3, "second": 3}
    assert len(found) == 5
    whole = lost_past(
        written.source, survey(written.source, written.lsns["mark"], written.lsns["end"]), written.lsns["mark"]
    )
    assert (whole.is_exact, whole.unfinished, whole.bytes) == (True, 1, written.lsns["end"] - written.lsns["mark"])


def test_a_standby_that_has_flushed_up_to_inside_a_commit_record_lacks_that_commit(written: Written) -> None:
    surveyed = survey(written.source, written.lsns["mark"], written.lsns["end"])
    for each in written.past("mark").values():
        assert each.commit_lsn is not None
        assert each.commit_end is not None
        for position in range(each.commit_lsn, each.commit_end - 7, 3):  # the last bytes may be padding
            past = lost_past(written.source, surveyed, LSN(position)).transactions
            assert each.xid in [one.xid for one in past]
            again = survey(written.source, LSN(position), written.lsns["end"], look_back=0)
            found = lost_past(written.source, again, LSN(position))
            assert each.xid in [one.xid for one in found.transactions], (LSN(position), each, again)
        behind = lost_past(written.source, surveyed, LSN(each.commit_end))
        assert each.xid not in [one.xid for one in behind.transactions]


def test_rows_that_may_lie_further_back_are_said_to_be_a_lower_bound(written: Written) -> None:
    surveyed = survey(written.source, written.lsns["mark"], written.lsns["end"], look_back=0)
    found = lost_past(written.source, surveyed, written.lsns["mark"])
    assert {each.xid: each.rows for each in found.transactions}[written.xids["long"]] == 11
    assert found.unsure >= 3
    assert not found.is_exact
    assert found.commits == 5


def test_too_many_to_list_are_still_all_counted(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgreplterm.cluster.decoded.commits.LISTED", 2)
    surveyed = survey(written.source, written.lsns["mark"], written.lsns["end"])
    found = lost_past(written.source, surveyed, written.lsns["mark"])
    assert (found.commits, len(found.transactions), found.omitted) == (5, 2, 3)
    assert found.unsure == 5
    assert not found.is_exact


def test_what_ended_before_is_counted_and_not_listed(written: Written) -> None:
    """Making a list of what nobody asks for costs more than reading it."""
    found = survey(written.source, written.lsns["mark"], written.lsns["end"]).found
    assert all((each.commit_end or written.lsns["end"]) > written.lsns["mark"] for each in found.transactions)
    assert found.commits > 5 == len(found.committed)
    assert found.omitted == 0


def test_wal_that_is_gone_makes_a_lower_bound_with_the_reason(written: Written, tmp_path: Path) -> None:
    folder = tmp_path / "pg_wal"
    folder.mkdir()
    names = sorted(path.name for path in written.server.wal.glob("0*"))
    size = written.source.segment_size
    holding = written.source.segment_name(1, written.lsns["mark"].segment_number(size))
    for name in names[names.index(holding) :]:
        shutil.copy(written.server.wal / name, folder)
    source = wal_at(folder, 1)
    start = source.segments[0].start
    kept = lost_past(source, survey(source, written.lsns["mark"], written.lsns["end"]), written.lsns["mark"])
    assert (kept.commits, kept.unread) == (5, None)
    early = LSN(start - 100)
    found = lost_past(source, survey(source, early, written.lsns["end"]), early)
    assert found.commits >= 5
    assert not found.is_nothing
    assert found.unread == f"the WAL from {early} to {start} is no longer in {source.path}"
    with pytest.raises(WalError, match="what is here ends before it"):
        survey(source, LSN(source.segments[-1].start + 2 * size), None)


def test_names_and_rows_of_what_is_lost(written: Written) -> None:
    written.server.start()
    try:
        target = named_target("it", f"host={written.server.folder} user=postgres dbname=postgres")
        surveyed = survey(written.source, written.lsns["mark"], written.lsns["end"])
        found = lost_past(written.source, surveyed, written.lsns["mark"])
        tables = tables_of(found.relations, named(found.relations, Catalog(target)))
    finally:
        written.server.stop()
    assert [(each.title, each.inserted) for each in tables if not each.is_system] == [("postgres: public.t", 224)]


def test_nothing_past_the_end(written: Written) -> None:
    surveyed = survey(written.source, written.lsns["mark"], written.lsns["end"])
    found = lost_past(written.source, surveyed, LSN(written.lsns["end"] + 8))
    assert found.is_nothing
    assert found.bytes == 0
    unread = replace(surveyed, unread="something")
    assert not lost_past(written.source, unread, written.lsns["mark"]).is_nothing
