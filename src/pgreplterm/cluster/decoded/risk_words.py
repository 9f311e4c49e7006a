"""What would be lost, in words and as plain data: the same for a command, a card on the screen, and a drill's report.

Owns: sentences, the table of tables, and JSON keys (a contract). Must not: read or judge. A lower bound is called one:
"at least"; nothing that could not be read is called nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pgreplterm.cluster.decoded.commits import Lost
from pgreplterm.cluster.decoded.diverged import Diverged
from pgreplterm.cluster.decoded.risk import Risk, RiskReport
from pgreplterm.cluster.decoded.risk_watch import AtRisk
from pgreplterm.cluster.decoded.standing import Standing
from pgreplterm.cluster.decoded.tables import TableChanges, table_json
from pgreplterm.cluster.words import UNKNOWN, duration_in_words, instant, printable, size_in_words
from pgreplterm.wal.changes import Transaction

_TABLES_SHOWN = 20


def counted(number: int, thing: str) -> str:
    """``1 commit``, ``1,204 commits``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def lost_phrase(lost: Lost, tables: Sequence[TableChanges]) -> str:
    """``20 commits, 500 rows of 2 tables``, with "at least" before what is a lower bound."""
    if lost.is_nothing:
        return "no commit" if lost.bytes else "nothing"
    least = "at least " if lost.unread is not None else ""
    data = [table for table in tables if not table.is_system and table.rows]
    rows = sum(table.rows for table in data)
    if not rows:
        return f"{least}{counted(lost.commits, 'commit')} that change no row of a table"
    of = printable(data[0].table) if len(data) == 1 else f"{len(data)} tables"
    bound = "" if least or lost.is_exact else "at least "
    return f"{least}{counted(lost.commits, 'commit')}, {bound}{counted(rows, 'row')} of {of}"


def risk_sentence(risk: Risk) -> str:
    """One candidate in one sentence, without its full stop; why something is unknown is for the caller to add."""
    standing = risk.standing
    if standing.problem is not None:
        return f"cannot take over: {standing.problem}"
    if risk.lost is None:
        gap = "an unknown number of bytes" if risk.gap is None else f"{size_in_words(risk.gap)} of WAL"
        return f"would lose {gap}; which commits is unknown"
    if risk.gap == 0:
        return "would lose nothing: it has flushed all that the primary wrote"
    return f"would lose {lost_phrase(risk.lost, risk.tables)}, {size_in_words(risk.lost.bytes)} of WAL"


def at_risk_phrase(risk: AtRisk) -> str:
    """``1,204 commits, 1,150 rows of orders`` for a card; ``?`` where nobody can tell."""
    return UNKNOWN if risk.lost is None else lost_phrase(risk.lost, risk.tables)


def evidence_phrase(standing: Standing) -> str:
    """Whose word a position is, and how old."""
    if standing.flushed is None or standing.evidence is None:
        return "flushed: unknown"
    age = "of unknown age" if standing.age is None else f"{duration_in_words(standing.age)} old"
    return f"flushed up to {standing.flushed} ({standing.evidence}, {age})"


def lost_lines(lost: Lost, tables: Sequence[TableChanges], now: float, clock_offset: float | None) -> list[str]:
    """The range, the times and the tables, for below the sentence. now is of this machine's clock."""
    lines = [f"WAL {lost.after} to {lost.end}, {lost.bytes} bytes"]
    if lost.oldest_commit is not None and lost.newest_commit is not None:
        age = max(0.0, now + (clock_offset or 0.0) - lost.oldest_commit)
        lines.append(f"commits of {instant(lost.oldest_commit)} ({duration_in_words(age)} ago) to")
        lines[-1] += f" {instant(lost.newest_commit)}"
    if lost.unread is not None:
        lines.append(f"lower bounds: {printable(lost.unread)}")
    if lost.unsure:
        lines.append(
            f"{counted(lost.unsure, 'commit')} may have changed more rows before {lost.after} than were counted"
        )
    return [*lines, *table_lines(tables)]


def table_lines(tables: Sequence[TableChanges]) -> list[str]:
    """A line a table with rows, the largest first; system catalogs as one."""
    data = [each for each in tables if not each.is_system and (each.rows or (each.truncated and each.reason is None))]
    if not data and not any(table.is_system for table in tables):
        return []
    titles = [printable(table.title) for table in data[:_TABLES_SHOWN]]
    width = max([len("TABLE"), *map(len, titles)])
    lines = [f"{'TABLE':<{width}} {'INSERTED':>10} {'UPDATED':>10} {'DELETED':>10} {'WAL':>10}"] if data else []
    for title, row in zip(titles, data, strict=False):
        figures = f"{row.inserted:>10} {row.updated:>10} {row.deleted:>10} {size_in_words(row.bytes):>10}"
        lines.append(f"{title:<{width}} {figures}{_remarks(row)}")
    if len(data) > _TABLES_SHOWN:
        lines.append(f"and {len(data) - _TABLES_SHOWN} tables more")
    system = sum(table.rows for table in tables if table.is_system)
    if system:
        lines.append(f"and {counted(system, 'row')} of system catalogs (DDL)")
    return lines


def _remarks(row: TableChanges) -> str:
    remarks = ["truncated or dropped"] if row.truncated else []
    if row.reason is not None:
        remarks.append(f"name unknown: {printable(row.reason)}")
    return f"  ({'; '.join(remarks)})" if remarks else ""


def risk_document(report: RiskReport, transactions: bool) -> dict[str, Any]:
    """All of it as plain data; LSNs as text, times in ISO 8601, None is unknown."""
    primary = report.primary
    return {
        "taken_at": instant(report.taken_at),
        "primary": {
            "node": primary.node,
            "timeline": primary.timeline,
            "end_lsn": _lsn(primary.end),
            "evidence_age_seconds": primary.age,
            "read_from": primary.where,
        },
        "candidates": [_risk_json(risk, report, transactions) for risk in report.risks],
        "least_loss": [risk.standing.name for risk in report.least],
    }


def _risk_json(risk: Risk, report: RiskReport, transactions: bool) -> dict[str, Any]:
    standing = risk.standing
    now = report.taken_at + (report.primary.clock_offset or 0.0)
    return {
        "node": standing.name,
        "address": standing.address,
        "flushed_lsn": _lsn(standing.flushed),
        "evidence": standing.evidence,
        "evidence_age_seconds": standing.age,
        "gap_bytes": risk.gap,
        "problem": standing.problem,
        "remark": standing.remark,
        "unknown_because": risk.unknown,
        "lost": None if risk.lost is None else lost_json(risk.lost, risk.tables, now, transactions),
    }


def lost_json(lost: Lost, tables: Sequence[TableChanges], now: float, transactions: bool) -> dict[str, Any]:
    """What lies past an LSN. now is of the clock that the commit times are of."""
    oldest = lost.oldest_commit
    document: dict[str, Any] = {
        "start_lsn": _lsn(lost.after),
        "end_lsn": _lsn(lost.end),
        "bytes": lost.bytes,
        "commits": lost.commits,
        "rows": sum(table.rows for table in tables if not table.is_system),
        "is_exact": lost.is_exact,
        "unread": lost.unread,
        "commits_with_more_rows": lost.unsure,
        "oldest_commit": None if oldest is None else instant(oldest),
        "oldest_commit_age_seconds": None if oldest is None else max(0.0, now - oldest),
        "newest_commit": None if lost.newest_commit is None else instant(lost.newest_commit),
        "tables": [table_json(table) for table in tables],
    }
    if transactions:
        document["transactions"] = [transaction_json(each) for each in lost.transactions]
        document["transactions_omitted"] = lost.omitted
    return document


def transaction_json(each: Transaction) -> dict[str, Any]:
    """One transaction; rows are of all its relations, system catalogs and TOAST tables included."""
    return {
        "xid": each.xid,
        "begin_lsn": _lsn(each.begin),
        "commit_lsn": _lsn(each.commit_lsn),
        "commit_end_lsn": _lsn(each.commit_end),
        "committed_at": None if each.committed_at is None else instant(each.committed_at),
        "rows": each.rows,
        "bytes": each.bytes,
        "gid": each.gid,
    }


def diverged_document(found: Diverged, now: float, transactions: bool) -> dict[str, Any]:
    """What an old primary has that nobody else does."""
    return {
        "old": found.old,
        "primary": found.new,
        "timeline": found.timeline,
        "primary_timeline": found.new_timeline,
        "fork_timeline": found.fork.timeline,
        "fork_lsn": _lsn(found.fork.lsn),
        "primary_bytes_past_fork": max(0, found.theirs - found.fork.lsn),
        "lost": lost_json(found.lost, found.tables, now, transactions),
    }


def _lsn(lsn: object) -> str | None:
    return None if lsn is None else str(lsn)
