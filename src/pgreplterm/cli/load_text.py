"""A load's report as text.

Owns: the lines of ``pgreplterm load status``. Must not: read files or ask a server.

``?`` is unknown: a report that is old says nothing about the last second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pgreplterm.cli.tables import aligned
from pgreplterm.cluster.words import NOT_APPLICABLE, UNKNOWN, duration, printable

if TYPE_CHECKING:
    from pgreplterm.lab.load.progress import LoadStatus

Document = Mapping[str, Any]

_RATE_HEADINGS = ("RATE", "TARGET", "LAST SECOND", "SINCE START")
_COMMIT_HEADINGS = ("COMMITS", "P50", "P95", "P99", "MAX", "OF")
_READER_HEADINGS = (
    "NODE", "READERS", "TARGET", "READS/S", "READS", "ERRORS", "CONFLICTS", "ROWS BEHIND", "AGE", "WORST AGE", "P50",
    "P99",
)  # fmt: skip


def lines(lab: str, status: LoadStatus | None, names: Mapping[int, str]) -> list[str]:
    """What a load reports; names has the node of each port."""
    if status is None:
        return [f"lab {lab} has no load: 'pgreplterm load start' makes one"]
    report = status.report
    shown = [_headline(status, names), "", *_rates(status), "", *_commits(status), "", _counts(report)]
    shown += _complaints(status)
    if report["readers"]:
        shown += ["", *_readers(status)]
    return shown


def _headline(status: LoadStatus, names: Mapping[int, str]) -> str:
    report, plan = status.report, status.report["plan"]
    clients = "1 client" if plan["clients"] == 1 else f"{plan['clients']} clients"
    node = names.get(report["port"], UNKNOWN)
    what = f"{plan['kind']}, {clients}, on {node}, for {duration(report['since_start']['seconds'])}"
    return what if status.running else f"{what}; ended {duration(status.age)} ago"


def _rates(status: LoadStatus) -> list[str]:
    report = status.report
    now = report["last_second"] if status.is_current else {}
    rows = [
        [words, _figure(report["target"][key]), _figure(now.get(key)), _figure(report["since_start"][key])]
        for words, key in (("rows/s", "rows_per_second"), ("transactions/s", "transactions_per_second"))
    ]
    return aligned(_RATE_HEADINGS, rows, frozenset(_RATE_HEADINGS[1:]))


def _commits(status: LoadStatus) -> list[str]:
    commits = status.report["commit_seconds"]
    stretches = [("newest", commits["newest"])]
    if status.is_current:
        stretches.insert(0, ("last second", commits["last_second"]))
    rows = [
        [name, *(_milliseconds(spread[key]) for key in ("p50", "p95", "p99", "max")), str(spread["commits"])]
        for name, spread in stretches
    ]
    return aligned(_COMMIT_HEADINGS, rows, frozenset(_COMMIT_HEADINGS[1:]))


def _counts(report: Document) -> str:
    return (
        f"{report['rows']} rows, {report['transactions']} transactions, {report['errors']} errors, "
        f"{report['unknown']} unknown, {report['reconnects']} reconnects"
    )


def _complaints(status: LoadStatus) -> list[str]:
    """What is not as it was asked for, a sentence each."""
    report, said = status.report, []
    if status.running and not status.is_current:
        said.append(f"the load is silent: its last report is {duration(status.age)} old")
    if not status.running and not report["ended"]:
        said.append("the load was killed: see load.log in the lab's folder")
    if status.is_current and not report["holds_rate"]:
        late = f", what is due waits {duration(report['late_seconds'])}" if report["late_seconds"] else ""
        said.append(f"it does not hold its rate{late}")
    if report["waiting_for_standby"]:
        said.append(f"{report['waiting_for_standby']} commits wait for synchronous replication")
    if report["problem"]:
        said.append(f"last trouble: {printable(' '.join(report['problem'].split()))}")
    return said


def _readers(status: LoadStatus) -> list[str]:
    rows = [_reader(each, status.is_current) for each in status.report["readers"]]
    shown = aligned(_READER_HEADINGS, rows, frozenset(_READER_HEADINGS[1:]))
    for each in status.report["readers"]:
        if each["problem"]:
            shown.append(f"{each['node']}: {printable(' '.join(each['problem'].split()))}")
    return shown


def _reader(each: Document, is_current: bool) -> list[str]:
    seen = each if is_current else {}
    behind = seen.get("rows_behind")
    return [
        each["node"],
        str(each["readers"]),
        _figure(each["target_per_second"]),
        _figure(seen.get("reads_per_second")),
        str(each["reads"]),
        str(each["errors"]),
        str(each["conflicts"]),
        UNKNOWN if behind is None else str(behind),
        _age(seen.get("age_seconds")),
        _age(seen.get("worst_age_seconds")),
        _milliseconds(each["read_seconds"]["p50"]),
        _milliseconds(each["read_seconds"]["p99"]),
    ]


def _figure(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f}"


def _age(seconds: float | None) -> str:
    return f"{seconds:.2f}s" if seconds is not None and seconds < 9.95 else duration(seconds)


def _milliseconds(seconds: float | None) -> str:
    return NOT_APPLICABLE if seconds is None else f"{seconds * 1000:.2f} ms"
