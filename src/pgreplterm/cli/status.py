"""``pgreplterm status``: what a cluster is doing, as a table or as JSON.

Owns: its arguments, the table's layout, and the exit code. Must not: sample, join or judge itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from pgreplterm.errors import ExitCode

if TYPE_CHECKING:
    from pgreplterm.cluster.connect import Target
    from pgreplterm.cluster.model import ClusterSnapshot, Node

_HEADINGS = ("NODE", "ROLE", "STATE", "SYNC", "TL", "UNSENT", "FLUSH", "REPLAY", "TIME")
_SLOT_HEADINGS = ("SLOT", "ON", "KIND", "ACTIVE", "WAL", "RETAINED", "SAFE")
_RIGHT = frozenset({"TL", "UNSENT", "FLUSH", "REPLAY", "TIME", "RETAINED", "SAFE"})
Row = Sequence[str]


@click.command()
@click.argument("dsns", metavar="[DSN]...", nargs=-1)
@click.option("--lab", "lab_name", metavar="NAME", help="The nodes of that lab instead of DSNs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.option("--watch", is_flag=True, help="Again every interval, until Ctrl-C.")
@click.option(
    "--interval", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Seconds, with --watch."
)
def status(dsns: tuple[str, ...], lab_name: str | None, as_json: bool, watch: bool, interval: float) -> int:
    """Topology, lag and slots of a cluster, once.

    A DSN is whatever psql takes; one that names several hosts stands for all of them. Without any, PG*
    variables and libpq's defaults are used.

    Exits 0 when all is well, 1 on a finding, 3 when no server answers, 4 when privileges hide the answer.
    """
    if lab_name is not None and dsns:
        raise click.UsageError("--lab and DSN arguments exclude each other")
    watched = _lab_targets(lab_name) if lab_name is not None else _dsn_targets(dsns)
    if watch:
        return asyncio.run(_watch(watched, interval, _print_json_line if as_json else _print_dated_table))
    return asyncio.run(_once(watched, _print_json if as_json else _print_table))


async def _once(watched: Sequence[Target], show: Callable[[ClusterSnapshot], None]) -> int:
    from pgreplterm.cluster.sampler import Sampler

    async with Sampler(watched) as sampler:
        snapshot = await sampler.sample_once()
        show(snapshot)
        return exit_code(snapshot, sampler.lacks_privilege)


async def _watch(watched: Sequence[Target], interval: float, show: Callable[[ClusterSnapshot], None]) -> int:
    from pgreplterm.cluster.sampler import Sampler

    async for snapshot in Sampler(watched, interval):
        show(snapshot)
    return ExitCode.OK


def exit_code(snapshot: ClusterSnapshot, lacks_privilege: bool) -> ExitCode:
    """What the caller's script is told. A missing privilege counts only when nothing worse is known."""
    from pgreplterm.cluster.verdict import Severity, verdict

    severity = verdict(snapshot).severity
    reached = any(node.sample is not None for node in snapshot.nodes)
    if lacks_privilege and (severity is Severity.UNKNOWN or not reached):
        return ExitCode.NO_PRIVILEGE
    if not reached:
        return ExitCode.CANNOT_CONNECT
    return ExitCode.OK if severity is Severity.OK else ExitCode.FINDING


def _dsn_targets(dsns: Sequence[str]) -> Sequence[Target]:
    from pgreplterm.cluster.connect import targets

    return targets(dsns)


def _lab_targets(name: str) -> Sequence[Target]:
    from pgreplterm.cluster.connect import named_target
    from pgreplterm.lab.lab import Lab

    lab = Lab.load(name)
    return [named_target(node.name, lab.dsn(node.name)) for node in lab.nodes]


def _print_json(snapshot: ClusterSnapshot) -> None:
    from pgreplterm.cluster.serialize import snapshot_document

    click.echo(json.dumps(snapshot_document(snapshot), indent=2))


def _print_json_line(snapshot: ClusterSnapshot) -> None:
    from pgreplterm.cluster.serialize import snapshot_document

    click.echo(json.dumps(snapshot_document(snapshot), separators=(",", ":")))


def _print_dated_table(snapshot: ClusterSnapshot) -> None:
    from pgreplterm.cluster.words import instant

    click.echo(instant(snapshot.taken_at))
    _print_table(snapshot)
    click.echo()


def _print_table(snapshot: ClusterSnapshot) -> None:
    click.echo("\n".join(table_lines(snapshot)))


def table_lines(snapshot: ClusterSnapshot) -> list[str]:
    """Nodes, slots and the verdict, as lines of text."""
    from pgreplterm.cluster.verdict import verdict
    from pgreplterm.cluster.words import printable

    lines = _aligned(_HEADINGS, _node_rows(snapshot))
    if slots := _slot_rows(snapshot):
        lines += ["", *_aligned(_SLOT_HEADINGS, slots)]
    return [*lines, "", printable(verdict(snapshot).line)]


def _node_rows(snapshot: ClusterSnapshot) -> list[Row]:
    from pgreplterm.cluster.topology import depths
    from pgreplterm.cluster.words import lag_cells, lag_time, printable, size, sync_cell

    depth = depths(snapshot)
    rows: list[Row] = []
    for node in snapshot.nodes:
        link = snapshot.link_to(node.name)
        name = "   " * (depth[node.name] - 1) + "+- " * (depth[node.name] > 0) + printable(node.name)
        timeline = "?" if node.timeline is None else str(node.timeline)
        role = "?" if node.role == "unknown" else str(node.role)
        rows.append((name, role, _state(snapshot, node), sync_cell(node, link), timeline, *lag_cells(node, link)))
    watched = {node.name for node in snapshot.nodes}
    for link in snapshot.links:
        if link.downstream not in watched and link.sender is not None:
            sync, state = link.sender.sync_state or "?", link.sender.state or "?"
            name = f"{printable(link.downstream)} (of {printable(link.upstream)}, not watched)"
            cells = (size(link.gaps.unsent), size(link.gaps.flush), size(link.gaps.replay), lag_time(link))
            rows.append((name, "-", state, sync, "?", *cells))
    return rows


def _state(snapshot: ClusterSnapshot, node: Node) -> str:
    from pgreplterm.cluster.words import duration

    if node.failure is None:
        return str(node.state)
    gone_for = node.sample_age if node.sample_age is not None else snapshot.taken_at - node.failure.since
    return f"{node.state} {duration(max(0.0, gone_for))}"


def _slot_rows(snapshot: ClusterSnapshot) -> list[Row]:
    from pgreplterm.cluster.words import printable, size

    return [
        (
            printable(slot.name),
            printable(node.name),
            slot.kind,
            "yes" if slot.active else "no",
            slot.wal_status or "-",
            size(slot.retained),
            "-" if slot.safe_wal_size is None else size(max(0, slot.safe_wal_size)),
        )
        for node in snapshot.nodes
        if node.sample is not None and node.failure is None
        for slot in node.sample.slots
    ]


def _aligned(headings: Row, rows: Sequence[Row]) -> list[str]:
    """Columns as wide as their widest cell, figures to the right."""
    widths = [max(len(row[place]) for row in (headings, *rows)) for place in range(len(headings))]
    return [
        "  ".join(
            cell.rjust(width) if heading in _RIGHT else cell.ljust(width)
            for heading, cell, width in zip(headings, row, widths, strict=True)
        ).rstrip()
        for row in (headings, *rows)
    ]
