"""The operations of a failover on a lab's nodes.

Owns: starting, promotion, repointing, pg_rewind and rebuilding of one node, leaving state, edges and slots consistent.
Must not: decide which node, or in which order; that is the drill's.

All functions expect the caller to hold the lab's transaction.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from pgreplterm.errors import PgReplTermError
from pgreplterm.lab import backend, build, helpers, links, process, server, sql, tools
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.links import Edge
from pgreplterm.lab.ports import Reservation
from pgreplterm.lab.site import Site, update
from pgreplterm.lab.state import NodeRecord

PROMOTION_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Rewound:
    """What pg_rewind did: seconds it took, whether the node had diverged, and its own last line on that."""

    seconds: float
    diverged: bool
    output: str


def start(site: Site, name: str) -> None:
    """Start a stopped or killed node and wait until it accepts connections. Raises LabError."""
    found = site.read().node(name)
    if site.is_running(found):
        raise LabError(f"{name} is already running")
    helpers.ensure_relay(site)
    written = server.log_size(found)
    [started] = server.start(site.backend, [found])
    update(site, started)
    try:
        server.await_ready(site.backend, started, written)
    except LabError as error:
        raise LabError(f"{error}; its log is {server.log_file(found)}") from None


def promote(site: Site, name: str) -> float:
    """Promote a standby; seconds from pg_promote() to the end of recovery. Raises LabError."""
    node = site.read().node(name)
    with site.connect(node) as link:
        seconds = sql.promote(link, name, PROMOTION_TIMEOUT)
    _become_primary(site, node)
    return seconds


def complete_promotion(site: Site, name: str) -> None:
    """Bring to its end a promotion of which nobody knows how far it came: begun, over, or never asked for.

    Raises LabError.
    """
    node = site.read().node(name)
    with site.connect(node) as link:
        if sql.standing(link).in_recovery:
            sql.promote(link, name, PROMOTION_TIMEOUT)
    _become_primary(site, node)


def _become_primary(site: Site, node: NodeRecord) -> None:
    promoted = replace(node, upstream=None)
    update(site, promoted)
    server.configure(promoted, site.read(), None)
    site.backend.reload(promoted)
    close_edges(site, node.name, keep=None)


def repoint(site: Site, name: str, upstream_name: str) -> float:
    """Have a running standby follow another upstream; seconds until it streams. Raises LabError.

    A delayed one is not waited for: it asks its upstream for more only after it has replayed what it has.

    The slot comes before the change and the old edge goes after it, so that a failure leaves the node with
    either upstream and never with none.
    """
    begun = time.monotonic()
    node, upstream = pair(site, name, upstream_name)
    if not site.is_running(node):
        raise LabError(f"{name} is not running: start it before it can follow {upstream_name}")
    left = node.upstream
    followed = _pointed(site, node, upstream)
    site.backend.reload(followed)
    update(site, followed)  # last: who finds another upstream here knows that all of it is to be done again
    if followed.delay is None:
        build.await_streaming(site, upstream_name, {name})
    close_edges(site, name, keep=upstream_name)
    if left is not None and left != upstream_name:
        forget_slot(site, left, name)
    return time.monotonic() - begun


def follow(site: Site, name: str, source_name: str) -> None:
    """Make a stopped node a standby of source as it is; right only when its WAL does not pass the fork.

    It is not started. Raises LabError.
    """
    node, source = pair(site, name, source_name)
    _require_stopped(site, node)
    _become_follower(site, node, source)


def rewind(site: Site, name: str, source_name: str) -> Rewound:
    """Make a stopped node a standby of source by pg_rewind; it is not started. Raises LabError, ToolFailed.

    The source is checkpointed first: until then its pg_control names the old timeline, and pg_rewind 15 and
    older reports "no rewind required" of a node that has diverged.
    """
    node, source = pair(site, name, source_name)
    _require_stopped(site, node)
    begun = time.monotonic()
    with site.connect(source) as link:
        link.execute("CHECKPOINT")
    command = [site.tool("pg_rewind"), "-D", node.data_directory, "--no-sync"]
    command.append(f"--source-server={site.source(source)}")
    if site.read().major >= 15:  # its crash recovery of the target then uses the node's own settings
        command.append(f"--config-file={server.folder(node) / 'postgresql.conf'}")
    with server.interlock(node):
        output = backend.run(site.backend, command, f"rewinding {name} to {source_name}")
    _become_follower(site, node, source)
    verdict = [line for line in output.splitlines() if "diverged at" in line or "no rewind required" in line]
    line = verdict[-1] if verdict else tools.last_line(output)
    return Rewound(time.monotonic() - begun, "diverged at" in line, line.removeprefix("pg_rewind: "))


def rebuild(site: Site, name: str, source_name: str) -> float:
    """Replace a stopped node by a base backup of source; seconds it took. It is not started.

    The old data directory is renamed aside, never deleted, and comes back when the backup fails.
    Raises LabError, ToolFailed.
    """
    node, source = pair(site, name, source_name)
    _require_stopped(site, node)
    begun = time.monotonic()
    with site.connect(source) as link:
        sql.create_slots(link, (name,))
    data = Path(node.data_directory)
    server.remove_segment(data)
    aside = data.with_name(f"data.{time.strftime('%Y%m%dT%H%M%S')}.{time.monotonic_ns() % 1_000_000:06}")
    if data.exists():
        data.rename(aside)
    try:
        build.make_data_directory(node, site.account)
        _base_backup(site, node, source)
    except BaseException:
        shutil.rmtree(data, ignore_errors=True)  # a part of a backup, made a moment ago
        if aside.exists():
            aside.rename(data)
        raise
    _become_follower(site, node, source)
    return time.monotonic() - begun


def drop_unused_slots(site: Site, name: str) -> tuple[str, ...]:
    """Drop the slots on a running node that no node of the lab streams from; their names.

    A former primary keeps those of its old standbys, which would hold its WAL for ever. Raises LabError.
    """
    lab = site.read()
    node = lab.node(name)
    unused = tuple(each.name for each in lab.nodes if each.upstream != name)
    with site.connect(node) as link:
        return tuple(slot for slot in unused if sql.drop_slot(link, slot))


def _base_backup(site: Site, node: NodeRecord, source: NodeRecord) -> None:
    command = [site.tool("pg_basebackup"), "-D", node.data_directory, "-X", "stream", "-c", "fast", "--no-sync"]
    command += ["-S", node.name, "-d", site.source(source)]
    with server.interlock(node):
        backend.run(site.backend, command, f"copying {source.name} to {node.name}")


def _become_follower(site: Site, node: NodeRecord, source: NodeRecord) -> None:
    """Give back what the source's files replaced and make the node a standby of it."""
    server.make_standby(node, site.account)
    update(site, _pointed(site, node, source))
    close_edges(site, node.name, keep=source.name)


def _pointed(site: Site, node: NodeRecord, upstream: NodeRecord) -> NodeRecord:
    """Slot, edge and configuration for following upstream; neither the server nor the state file is told yet."""
    with site.connect(upstream) as link:
        sql.create_slots(link, (node.name,))
    edge = _open_edge(site, node, upstream)
    followed = replace(node, upstream=upstream.name)
    server.configure(followed, site.read(), site.upstream(followed, edge))
    return followed


def _open_edge(site: Site, node: NodeRecord, upstream: NodeRecord) -> Edge:
    known = links.read(site.directory)
    existing = known.edge(node.name, upstream.name)
    if existing is not None:
        helpers.serve(site, known.with_edge(existing))  # it may have been written by one that was killed before it told
        return existing
    reserved = Reservation(1)
    edge = Edge(
        node.name,
        upstream.name,
        reserved.ports[0],
        upstream.port,
        listen_host=site.listen_host,
        target_host=upstream.address,
    )
    reserved.release()
    changed = known.with_edge(edge)
    helpers.serve(site, changed)
    return edge


def close_edges(site: Site, name: str, keep: str | None) -> None:
    """Close the links into a node but the one from keep. Raises LabError."""
    known = links.read(site.directory)
    surplus = [edge for edge in known.into(name) if edge.upstream != keep]
    if surplus:
        changed = known.without(surplus)
        helpers.serve(site, changed)


def forget_slot(site: Site, upstream_name: str, name: str) -> None:
    """Drop the slot a node left behind, which would hold WAL for ever; a dead upstream keeps its own."""
    upstream = site.read().node(upstream_name)
    if not site.is_running(upstream) or site.is_frozen(upstream):
        return
    try:
        with site.connect(upstream) as link:
            sql.drop_slot(link, name)
    except PgReplTermError:
        return  # the node follows its new upstream; the old one's trouble is not its failure


def pair(site: Site, name: str, upstream_name: str) -> tuple[NodeRecord, NodeRecord]:
    """Both nodes; refuses a circle, in which every node would wait for the other."""
    lab = site.read()
    node, upstream = lab.node(name), lab.node(upstream_name)
    above: NodeRecord | None = upstream
    seen: set[str] = set()
    while above is not None and above.name not in seen:
        if above.name == name:
            raise LabError(f"{name} cannot follow {upstream_name}, which gets its WAL from {name}")
        seen.add(above.name)
        above = lab.node(above.upstream) if above.upstream else None
    return node, upstream


def _require_stopped(site: Site, node: NodeRecord) -> None:
    if site.is_running(node) or process.working_inside(Path(node.data_directory)):
        raise LabError(f"{node.name} is running: stop it first")
