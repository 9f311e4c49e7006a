"""Clusters about to lose commits: a standby cut off, transactions whose ids are written down, and who has them after.

Owns: the writes and their record outside of the server. Must not: know what the cluster room makes of it.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pgreplterm.cli import run

from .replicas import Cluster, Node

TABLES = {"orders": 15, "items": 10}


@dataclass
class Book:
    """Each transaction's xid with the ids that it wrote, as its client knows them."""

    ids: dict[int, set[int]] = field(default_factory=dict)

    def of(self, xids: Iterable[int]) -> set[int]:
        """The ids that these transactions wrote."""
        return {number for xid in xids for number in self.ids[xid]}

    @property
    def all(self) -> set[int]:
        """Every id written down."""
        return self.of(self.ids)


def make_tables(node: Node) -> None:
    """The two tables, written before anything is cut."""
    node.sql(*(f"create table {table} (id int, note text)" for table in TABLES), "checkpoint")


def write(node: Node, book: Book, transactions: int, first: int = 0) -> None:
    """That many transactions of 25 rows, 15 in one table and 10 in the other, each id once."""
    number = first
    with node.connect() as session:
        for _ in range(transactions):
            ids: set[int] = set()
            session.execute("begin")
            row = session.execute("select pg_current_xact_id()::text::bigint").fetchone()
            for table, count in TABLES.items():
                statement = (
                    f"insert into {table} select n, 'note ' || n from generate_series({number + 1}, {number + count}) n"
                )
                session.execute(statement.encode())
                ids |= set(range(number + 1, number + count + 1))
                number += count
            session.execute("commit")
            assert row is not None
            book.ids[row[0]] = ids


def present(node: Node) -> set[int]:
    """The ids that a server has."""
    with node.connect() as session:
        rows = session.execute("select id from orders union all select id from items").fetchall()
    return {row[0] for row in rows}


def level(cluster: Cluster, upstream: str, *standbys: str) -> None:
    """Return once these standbys have flushed and replayed all that their upstream has."""
    cluster[upstream].sql("checkpoint")  # a walsender sends what is flushed, and only a commit flushes at once
    end = cluster[upstream].sql("select pg_current_wal_flush_lsn()")
    for name in standbys:
        cluster[name].wait_for(f"pg_last_wal_replay_lsn() >= '{end}'")


def cut(node: Node) -> None:
    """Nothing reaches this standby any more; it stays up, and its slot keeps its WAL."""
    node.sql("alter system set primary_conninfo = 'host=/nonexistent'", "select pg_reload_conf()")
    node.wait_for("not exists (select from pg_stat_wal_receiver)")


def stall(node: Node) -> None:
    """Its walreceiver takes nothing more, and looks attached."""
    node.send_to_walreceiver(signal.SIGSTOP)


def promote(node: Node, stalled: bool = False) -> None:
    """Make it the primary; a stalled walreceiver is told to end before it goes on."""
    if not stalled:
        node.sql("select pg_promote()")
    else:
        receiver = next(one for one in node.family() if "walreceiver" in " ".join(one.cmdline()))
        asking = threading.Thread(target=node.sql, args=("select pg_promote()",))
        asking.start()
        while not _is_told_to_end(receiver.pid):
            pass
        receiver.send_signal(signal.SIGCONT)
        asking.join()
    node.wait_for("not pg_is_in_recovery()")


def _is_told_to_end(pid: int) -> bool:
    """SIGTERM is pending: it was sent, and the process is stopped."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    pending = next(line for line in status if line.startswith("ShdPnd:"))
    return bool(int(pending.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def kill(node: Node) -> None:
    """SIGKILL to the whole family, as a machine that loses power."""
    node.send(signal.SIGKILL)
    assert node._process is not None
    node._process.wait()
    node._process = None


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code and stdout of a command."""
    capsys.readouterr()
    status = run(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out or captured.err


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Its JSON."""
    return json.loads(told(capsys, *arguments, "--json")[1])


def candidate(report: Any, name: str) -> Any:
    """One candidate of a risk document."""
    (found,) = [each for each in report["candidates"] if each["node"] == name]
    return found


def rows_by_table(lost: Any) -> dict[str, tuple[int, int, int]]:
    """Rows inserted, updated and deleted of each table that is no catalog."""
    return {
        row["table"]: (row["inserted"], row["updated"], row["deleted"]) for row in lost["tables"] if not row["system"]
    }
