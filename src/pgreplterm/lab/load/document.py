"""What a load reports once a second.

Owns: the keys, which are a contract. Must not: count, or write a file.

Instants are epoch seconds, latencies and ages seconds; null is unknown. Rates say over how many seconds.
"""

from __future__ import annotations

from dataclasses import asdict

from pgreplterm.cluster.percentiles import Spread
from pgreplterm.lab.load.meter import Figures
from pgreplterm.lab.load.plan import Kind, Plan
from pgreplterm.lab.load.progress import Document
from pgreplterm.lab.load.readers import NodeReaders
from pgreplterm.lab.load.shared import Shared


def target(plan: Plan) -> Document:
    """What is to be held."""
    return {"rows_per_second": plan.rate, "transactions_per_second": plan.transactions_per_second}


def counters(shared: Shared) -> Document:
    """Everything since the start."""
    meter = shared.meter
    return {
        "rows": meter.rows,
        "transactions": meter.transactions,
        "errors": meter.errors,
        "unknown": meter.unknown,
        "unknown_rows": meter.unknown_rows,
        "reconnects": meter.reconnects,
        "waiting_for_standby": None if shared.plan.kind is Kind.PGBENCH else shared.waiting,
        "port": shared.port,
        "problem": shared.problem,
    }


def rates(figures: Figures) -> Document:
    """What was achieved in one stretch of time."""
    return {
        "seconds": round(figures.seconds, 3),
        "rows_per_second": _rounded(figures.rows_per_second),
        "transactions_per_second": _rounded(figures.transactions_per_second),
        "errors": figures.errors,
    }


def percentiles(spread: Spread) -> Document:
    """Of commits that were acknowledged."""
    return {"p50": spread.p50, "p95": spread.p95, "p99": spread.p99, "max": spread.max, "commits": spread.known}


def reading(readers: NodeReaders, now: float, epoch: float) -> Document:
    """What the readers of one node do and see; worst since the last report."""
    last_second, so_far = readers.meter.lap(now), readers.meter.so_far(now)
    last = readers.last
    worst, readers.worst_age = readers.worst_age, None
    return {
        "node": readers.node.name,
        "port": readers.node.port,
        "readers": readers.count,
        "target_per_second": readers.target,
        "reads": readers.meter.transactions,
        "reads_per_second": _rounded(last_second.transactions_per_second),
        "reads_per_second_since_start": _rounded(so_far.transactions_per_second),
        "holds_rate": readers.holds(now),
        "errors": readers.meter.errors,
        "conflicts": readers.conflicts,
        "read_seconds": percentiles(so_far.latency),
        "rows_behind": last.rows_behind if last else None,
        "age_seconds": _rounded(last.age) if last else None,
        "worst_age_seconds": _rounded(worst),
        "seen_at": epoch - (now - last.at) if last else None,
        "problem": last.problem if last else "",
    }


def plan_document(plan: Plan) -> Document:
    """The plan as it was asked for."""
    return {**asdict(plan), "kind": plan.kind.value, "readers": dict(plan.readers)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
