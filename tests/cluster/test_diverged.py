"""What an old primary wrote past the fork: listed from its server, its files, and the WAL that was saved of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pgreplterm.cluster.decoded.wal_range import wal_at
from pgreplterm.errors import ExitCode
from pgreplterm.wal.changes import changes
from pgreplterm.wal.lsn import LSN
from tests.wal.servers import EDGES

from .losing import Book, cut, document, kill, level, make_tables, present, promote, rows_by_table, told, write
from .replicas import Cluster, Node, cluster


@dataclass
class Split:
    """Two primaries of one lineage: pg1 went on after s1 had taken over. The book has all that s1 never got."""

    cluster: Cluster
    book: Book

    @property
    def old(self) -> Node:
        return self.cluster["pg1"]

    @property
    def new(self) -> Node:
        return self.cluster["s1"]

    @property
    def lost(self) -> set[int]:
        """Ids measured as missing on the new primary."""
        return self.book.all - present(self.new)


@pytest.fixture(params=EDGES, ids=lambda major: f"pg{major}")
def split(request: pytest.FixtureRequest) -> Iterator[Split]:
    """20 commits before the promotion that the standby never got, and 7 after it; the new primary has its own since."""
    with cluster(request.param, {"pg1": None, "s1": "pg1"}) as made:
        book = Book()
        make_tables(made["pg1"])
        write(made["pg1"], Book(), 3, first=100_000)
        level(made, "pg1", "s1")
        cut(made["s1"])
        write(made["pg1"], book, 20)
        promote(made["s1"])
        write(made["pg1"], book, 7, first=5_000)
        write(made["s1"], Book(), 2, first=200_000)
        yield Split(made, book)


def test_every_commit_of_the_old_primary_while_it_runs(split: Split, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = told(capsys, "wal", "diverged", split.old.dsn, "--primary", split.new.dsn)
    assert status == ExitCode.FINDING
    assert "pg1 has 27 commits, 675 rows of 2 tables" in text
    found = document(capsys, "wal", "diverged", split.old.dsn, "--primary", split.new.dsn, "--transactions")
    assert (found["timeline"], found["primary_timeline"], found["fork_timeline"]) == (1, 2, 1)
    history = split.new.sql("select pg_read_file('pg_wal/00000002.history')")
    assert LSN.parse(history.split()[1]) == LSN.parse(found["fork_lsn"])
    assert (found["lost"]["commits"], found["lost"]["rows"], found["lost"]["is_exact"]) == (27, 675, True)
    assert rows_by_table(found["lost"]) == {"public.orders": (405, 0, 0), "public.items": (270, 0, 0)}
    assert split.book.of(each["xid"] for each in found["lost"]["transactions"]) == split.lost == split.book.all


def test_its_files_once_it_is_dead_and_what_is_saved(
    split: Split, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    split.old.sql("create table only_here as select 1 as id")
    kill(split.old)
    place = tmp_path / "lost.json"
    arguments = ("wal", "diverged", str(split.old.data), "--primary", split.new.dsn)
    status, text = told(capsys, *arguments, "--save", str(place))
    assert status == ExitCode.FINDING
    assert "has 28 commits, 676 rows of 3 tables" in text
    assert "(name unknown: made past the fork, so no other server knows it)" in text
    assert "public.orders " in text

    saved = json.loads(place.read_text())
    transactions = saved["lost"]["transactions"]
    known = [each["xid"] for each in transactions if each["xid"] in split.book.ids]
    assert len(transactions) == 28
    assert split.book.of(known) == split.lost

    tail = wal_at(tmp_path / "lost.json.wal", saved["timeline"])
    again = changes(tail, LSN.parse(saved["fork_lsn"]), LSN.parse(saved["lost"]["end_lsn"]))
    assert [each.xid for each in again.committed] == [each["xid"] for each in transactions]
    assert sum(each.rows for each in again.transactions) == sum(each["rows"] for each in transactions)

    before = place.read_bytes()
    status, text = told(capsys, *arguments, "--save", str(place))
    assert status == ExitCode.USAGE
    assert "in a file that is not there yet; File exists" in text
    assert place.read_bytes() == before


def test_a_diverged_standby_still_tells_what_it_has(split: Split, capsys: pytest.CaptureFixture[str]) -> None:
    """The old primary came back as a standby of the new one without a rewind, and serves its lost rows read-only."""
    kill(split.old)
    split.new.sql("select pg_create_physical_replication_slot('pg1')")
    split.old.follow(split.new)
    split.old.make_standby()
    split.old.start()
    found = document(capsys, "wal", "diverged", split.old.dsn, "--primary", split.new.dsn, "--transactions")
    assert found["lost"]["commits"] == 27
    assert split.book.of(each["xid"] for each in found["lost"]["transactions"]) == split.lost
    report = document(capsys, "wal", "risk", *split.cluster.dsns())
    (risk,) = report["candidates"]
    assert risk["node"] == "pg1"
    assert "it has diverged" in risk["remark"]
    assert (risk["flushed_lsn"], risk["lost"]["commits"]) == (found["fork_lsn"], 2)


def test_a_standby_that_follows_has_nothing_of_its_own(
    split: Split, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, text = told(capsys, "wal", "diverged", split.new.dsn, "--primary", split.old.dsn)
    assert status == ExitCode.FINDING  # seen from the other side, the new primary is the one with commits of its own
    assert "s1 has 2 commits" in text
    kill(split.new)
    place = tmp_path / "none.json"
    status, text = told(capsys, "wal", "diverged", split.old.dsn, "--primary", split.old.dsn, "--save", str(place))
    assert status == ExitCode.OK
    assert "it has nothing that pg1 lacks" in text
    assert json.loads(place.read_text())["lost"]["commits"] == 0
    assert not (tmp_path / "none.json.wal").exists()


def test_what_cannot_be_compared_is_one_sentence(
    split: Split, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, text = told(capsys, "wal", "diverged", str(tmp_path), "--primary", split.new.dsn)
    assert (status, "expected WAL segments" in text) == (ExitCode.USAGE, True)
    status, text = told(capsys, "wal", "diverged", split.old.dsn, "--primary", "host=/nonexistent")
    assert (status, "expected a server that answers" in text) == (ExitCode.CANNOT_CONNECT, True)
    nobody = split.new.dsn_as("nobody_special")
    status, text = told(capsys, "wal", "diverged", split.old.dsn, "--primary", nobody)
    assert (status, "GRANT EXECUTE ON FUNCTION pg_read_binary_file" in text) == (ExitCode.NO_PRIVILEGE, True)
    kept = Path(__file__).parents[1] / "data" / "wal" / "14" / "000000010000000000000020.zst"
    status, text = told(capsys, "wal", "diverged", str(kept), "--primary", split.new.dsn)
    assert (status, "found that of system" in text) == (ExitCode.USAGE, True)
    assert "Traceback" not in text
