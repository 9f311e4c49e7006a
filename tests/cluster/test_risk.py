"""What promoting a standby would lose, foretold, and then measured: commit for commit, id for id."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from pgreplterm.errors import ExitCode
from pgreplterm.wal.lsn import LSN
from tests.wal.servers import EDGES

from .losing import (
    TABLES,
    Book,
    candidate,
    cut,
    document,
    kill,
    level,
    make_tables,
    present,
    promote,
    rows_by_table,
    stall,
    told,
    write,
)
from .replicas import Cluster, cluster


@pytest.fixture(params=EDGES, ids=lambda major: f"pg{major}")
def trio(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A primary and two standbys that have everything, with two tables."""
    with cluster(request.param, {"pg1": None, "s1": "pg1", "s2": "pg1"}) as made:
        make_tables(made["pg1"])
        write(made["pg1"], Book(), 3, first=100_000)
        level(made, "pg1", "s1", "s2")
        yield made


@pytest.mark.parametrize("how", ["cut off", "walreceiver stopped"])
def test_twenty_commits_foretold_are_the_twenty_that_are_lost(
    trio: Cluster, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stalled = how == "walreceiver stopped"
    (stall if stalled else cut)(trio["s1"])
    position = LSN.parse(trio["s1"].sql("select pg_last_wal_receive_lsn()::text"))
    kept, book = present(trio["s1"]), Book()
    write(trio["pg1"], book, 20)
    end = LSN.parse(trio["pg1"].sql("select pg_current_wal_lsn()::text"))
    trio["s2"].wait_for(f"pg_last_wal_receive_lsn() >= '{end}'")

    status, text = told(capsys, "wal", "risk", "--candidate", "s1", *trio.dsns())
    assert status == ExitCode.FINDING
    assert "s1 would lose 20 commits, 500 rows of 2 tables" in text
    match = re.search(r"WAL (\S+) to (\S+), (\d+) bytes", text)
    assert match is not None
    assert LSN.parse(match[1]) == position
    assert LSN.parse(match[2]) - position == int(match[3])
    report = document(capsys, "wal", "risk", "--transactions", *trio.dsns())
    lost = candidate(report, "s1")["lost"]
    assert (lost["commits"], lost["rows"], lost["is_exact"]) == (20, 500, True)
    assert rows_by_table(lost) == {f"public.{table}": (20 * count, 0, 0) for table, count in TABLES.items()}
    assert candidate(report, "s1")["gap_bytes"] == LSN.parse(report["primary"]["end_lsn"]) - position
    assert LSN.parse(report["primary"]["end_lsn"]) >= end
    assert candidate(report, "s2")["lost"]["commits"] == 0
    assert report["least_loss"] == ["s2"]

    predicted = book.of(each["xid"] for each in lost["transactions"])
    assert predicted == book.all
    kill(trio["pg1"])
    promote(trio["s1"], stalled)
    assert (kept | book.all) - present(trio["s1"]) == predicted


def test_a_primary_that_is_down_is_read_from_its_files(trio: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody knows its end but its WAL; names come from a standby, which has no word of the newest table."""
    book = Book()
    cut(trio["s1"])
    write(trio["pg1"], book, 2)
    trio["pg1"].sql("create table newer as select 1 as id")
    level(trio, "pg1", "s2")
    cut(trio["s2"])
    write(trio["pg1"], book, 3, first=1000)
    kill(trio["pg1"])
    dsns = trio.dsns()[1:]
    status, text = told(capsys, "wal", "risk", *dsns)
    assert status == ExitCode.USAGE
    assert "--wal PATH" in text
    files = ("wal", "risk", "--wal", str(trio["pg1"].data), "--transactions", *dsns)
    report = document(capsys, *files)
    first, second = candidate(report, "s1")["lost"], candidate(report, "s2")["lost"]
    assert (first["commits"], second["commits"]) == (6, 3)
    assert rows_by_table(second) == {"public.orders": (45, 0, 0), "public.items": (30, 0, 0)}
    assert report["least_loss"] == ["s2"]
    kept = present(trio["s2"])
    promote(trio["s2"])
    assert book.all - present(trio["s2"]) == book.of(each["xid"] for each in second["transactions"])
    assert present(trio["s2"]) == kept


def test_an_idle_cluster_that_has_everything_is_no_risk(trio: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """Also for a role that may read no WAL: the positions alone say so, where it may see timelines."""
    for role in ("postgres", "watcher"):
        told(capsys, "wal", "risk", *trio.dsns(role))  # a first look sets hint bits, which is WAL
    level(trio, "pg1", "s1", "s2")
    for role in ("postgres", "watcher"):
        status, text = told(capsys, "wal", "risk", *trio.dsns(role))
        assert status == ExitCode.OK, text
        assert "would lose nothing: it has flushed all that the primary wrote" in text
        assert "s1 and s2 would lose equally little." in text
    status, text = told(capsys, "wal", "risk", *trio.dsns("nobody_special"))
    assert status == ExitCode.NO_PRIVILEGE
    assert "nothing" not in text
    assert "cannot be seen: this role lacks pg_monitor" in text


def test_without_the_right_to_read_wal_there_are_bytes_and_the_privilege_is_named(
    trio: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cut(trio["s1"])
    position = LSN.parse(trio["s1"].sql("select pg_last_wal_receive_lsn()::text"))
    write(trio["pg1"], Book(), 1)
    status, text = told(capsys, "wal", "risk", "--candidate", "s1", *trio.dsns("watcher"))
    assert status == ExitCode.NO_PRIVILEGE
    assert "of WAL; which commits is unknown" in text
    assert "GRANT EXECUTE ON FUNCTION pg_read_binary_file(text, bigint, bigint, boolean)" in text
    report = document(capsys, "wal", "risk", *trio.dsns("watcher"))
    assert candidate(report, "s1")["lost"] is None
    assert candidate(report, "s1")["gap_bytes"] == LSN.parse(report["primary"]["end_lsn"]) - position > 0


def test_a_standby_that_is_down_is_judged_by_its_slot(trio: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    book = Book()
    trio["s1"].stop()
    write(trio["pg1"], book, 4)
    report = document(capsys, "wal", "risk", "--transactions", *trio.dsns())
    found = candidate(report, "s1")
    assert found["evidence"] == "its slot's restart_lsn"
    assert book.of(each["xid"] for each in found["lost"]["transactions"] if each["xid"] in book.ids) == book.all
    alone = document(capsys, "wal", "risk", trio["pg1"].dsn)
    assert candidate(alone, "s1")["lost"]["commits"] == found["lost"]["commits"]
    assert candidate(alone, "s2")["evidence"] == "its upstream's walsender row"
