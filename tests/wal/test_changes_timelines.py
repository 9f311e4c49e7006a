"""Two servers that were one: what each of them committed behind the fork, and across it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pgreplterm.wal import LSN, WalError, open_source
from pgreplterm.wal.changes import Changes, changes
from pgreplterm.wal.timeline import parse_history

from .changed import Measured, Relation, rows_of
from .servers import MAJORS, Server, throwaway_server


@dataclass(frozen=True)
class Parted:
    """The pg_wal of both, and of both in one folder; start is before the fork. xids are of each side's commits."""

    old: Path
    new: Path
    both: Path
    table: Relation
    start: LSN
    fork: LSN
    xids: dict[str, list[int]]


@contextmanager
def _twin(server: Server) -> Iterator[Server]:
    """A copy of a stopped server, to be promoted."""
    folder = server.folder.with_name("twin")
    shutil.copytree(server.data, folder / "data")
    for path in (folder, *folder.rglob("*")):
        server.account.own(path)
    (folder / "data").chmod(0o700)
    twin = replace(server, folder=folder)
    twin.configure(unix_socket_directories=str(folder))
    try:
        twin.promote()
        twin.wait_for("not pg_is_in_recovery()")
        yield twin
    finally:
        twin.stop()
        shutil.rmtree(folder)


def _commit(server: Server, count: int) -> tuple[list[int], Relation]:
    """That many transactions of three rows each; their xids, and the file they wrote to."""
    with server.connect() as session:
        measured, xids = Measured(server, session, logical=False), []
        for _ in range(count):
            with session.transaction():
                xids.append(int(measured.ask("select pg_current_xact_id()::text")))
                measured.run("insert into parted values (1), (2), (3)")
        measured.flush()
        return xids, measured.file_of("parted")


@pytest.fixture(scope="module", params=MAJORS)
def parted(request: pytest.FixtureRequest, scratch: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parted]:
    kept = tmp_path_factory.mktemp("parted")
    with throwaway_server(request.param, scratch / "parted", "--wal-segsize=1") as server:
        with server.connect() as session:
            session.execute("create table parted (id int)")
            start = Measured(server, session, logical=False).lsn()
        shared, table = _commit(server, 4)
        server.stop()
        with _twin(server) as twin:
            server.start()
            lost, won = _commit(server, 7)[0], _commit(twin, 5)[0]
            shutil.copytree(server.wal, kept / "old")
            shutil.copytree(twin.wal, kept / "new")
        shutil.copytree(kept / "old", kept / "both")
        for path in kept.glob("new/00000002*"):
            shutil.copy(path, kept / "both")
        history = parse_history(2, (kept / "new" / "00000002.history").read_text())
        xids = {"shared": shared, "lost": lost, "won": won}
        yield Parted(kept / "old", kept / "new", kept / "both", table, start, history.ancestors[-1].switchpoint, xids)


def assert_found(found: Changes, parted: Parted, *sides: str) -> None:
    """Those transactions and no other wrote to the table, and their rows are counted."""
    expected = [xid for side in sides for xid in parted.xids[side]]
    assert [each.xid for each in found.committed if rows_of(each, parted.table) == (3, 0, 0)] == expected
    assert rows_of(found, parted.table) == (3 * len(expected), 0, 0)
    assert found.complete, found.sentence


def test_what_the_old_primary_wrote_behind_the_fork(parted: Parted) -> None:
    source = open_source(parted.old)
    assert_found(changes(source, parted.fork), parted, "lost")
    assert_found(changes(source, parted.start, parted.fork), parted, "shared")
    assert_found(changes(source, parted.start), parted, "shared", "lost")


def test_across_the_promotion(parted: Parted) -> None:
    source = open_source(parted.new)
    assert_found(changes(source, parted.start), parted, "shared", "won")
    assert_found(changes(source, parted.fork), parted, "won")


def test_each_side_by_its_timeline(parted: Parted) -> None:
    source = open_source(parted.both)
    assert_found(changes(source, parted.start, timeline=1), parted, "shared", "lost")
    assert_found(changes(source, parted.start, timeline=2), parted, "shared", "won")
    assert_found(changes(source, parted.start), parted, "shared", "won")


def test_two_timelines_without_the_history_between_them(parted: Parted) -> None:
    for path in parted.both.glob("*.history"):
        path.unlink()
    source = open_source(parted.both)
    assert_found(changes(source, parted.fork, timeline=1), parted, "lost")
    with pytest.raises(WalError, match=r"expected 00000002\.history"):
        changes(source, parted.fork)
