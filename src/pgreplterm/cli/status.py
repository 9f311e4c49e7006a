"""``pgreplterm status``: what a cluster is doing, as a table or as JSON.

Owns: the table's layout. Must not: sample, join or judge itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.cli.configured import limits
from pgreplterm.cli.replayed import replay_options
from pgreplterm.cli.tables import aligned
from pgreplterm.cli.watching import View, Watching, look, server_options, view_options, watched

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot, Node

_HEADINGS = ("NODE", "ROLE", "STATE", "SYNC", "TL", "UNSENT", "FLUSH", "REPLAY", "TIME")
_SLOT_HEADINGS = ("SLOT", "ON", "KIND", "ACTIVE", "WAL", "RETAINED", "SAFE")
_RIGHT = frozenset({"TL", "UNSENT", "FLUSH", "REPLAY", "TIME", "RETAINED", "SAFE"})
Row = Sequence[str]


@click.command()
@server_options
@view_options
@replay_options
def status(dsns: tuple[str, ...], lab_name: str | None, as_json: bool, watch: bool, interval: float) -> int:
    """Topology, lag and slots of a cluster, once.

    A DSN is whatever psql takes; one that names several hosts stands for all of them. Without any, it is
    the profile's servers, or else those of PG* variables and libpq's defaults.

    Exits 0 when all is well, 1 on a finding, 3 when no server answers, 4 when privileges hide the answer.
    """
    watching = Watching(watched(dsns, lab_name), as_json, interval if watch else None)
    return look(watching, View(table_lines, _document))


def _document(snapshot: ClusterSnapshot) -> dict[str, Any]:
    from pgreplterm.cluster.serialize import snapshot_document
    from pgreplterm.cluster.verdict import verdict

    return snapshot_document(snapshot, verdict(snapshot, limits()))


def table_lines(snapshot: ClusterSnapshot) -> list[str]:
    """Nodes, slots and the verdict, as lines of text."""
    from pgreplterm.cluster.verdict import verdict
    from pgreplterm.cluster.words import printable

    lines = aligned(_HEADINGS, _node_rows(snapshot), _RIGHT)
    if slots := _slot_rows(snapshot):
        lines += ["", *aligned(_SLOT_HEADINGS, slots, _RIGHT)]
    return [*lines, "", printable(verdict(snapshot, limits()).line)]


def _node_rows(snapshot: ClusterSnapshot) -> list[Row]:
    from pgreplterm.cluster.joining.topology import depths
    from pgreplterm.cluster.model import LinkKind
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
            role = "-" if link.kind is LinkKind.STANDBY else str(link.kind)
            rows.append((name, role, state, sync, "?", *cells))
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
