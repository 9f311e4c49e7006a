"""Nodes that join or leave while the lab runs.

Owns: the order of the steps of each, recorded before they are taken, so that ``lab down`` removes what a killed
program left and the same command again completes it. Must not: decide who follows whom after a failover (a drill's).

All functions expect the caller to hold the lab's transaction.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from pgreplterm.errors import PgReplTermError
from pgreplterm.lab import build, links, process, server, sql, state, surgery
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.ports import Reservation
from pgreplterm.lab.shape.check import checked
from pgreplterm.lab.shape.plan import MOST_NODES, NodePlan
from pgreplterm.lab.shape.recorded import tree_of
from pgreplterm.lab.shape.synchronous import checked_rule
from pgreplterm.lab.site import Site, update
from pgreplterm.lab.state import LabState, NodeRecord, Part

JOINING = "joining"
"""A file in the folder of a node that has not streamed yet."""

POSTPONED = "delay"
"""A file in the folder of a node that gets its delay only once it streams: a standby asks for more WAL after it has
replayed what it has, and a base backup under load brings commits that are younger than the delay."""

SLOT_TIMEOUT = 15.0
"""Seconds until a walsender whose standby has stopped lets go of the slot; wal_sender_timeout bounds it."""


def add(site: Site, wanted: NodePlan) -> float:
    """Make a new standby from a base backup of what it follows; seconds until it streams. Raises LabError."""
    begun = time.monotonic()
    node, held = _enrolled(site, wanted)
    try:
        _join(site, node, held)
    except PgReplTermError as error:
        raise LabError(
            f"{error}; {node.name} is half made: repeat the command, or 'pgreplterm lab remove {node.name}'"
        ) from None
    finally:
        if held is not None:
            held.release()
    return time.monotonic() - begun


def remove(site: Site, name: str) -> Path:
    """Take a node that nobody follows out of the lab; its folder, renamed aside. Raises LabError."""
    lab = site.read()
    node = lab.node(name)
    _refuse_removal(site, lab, node)
    if node.upstream is not None:
        require_reachable(site, lab.node(node.upstream), f"it holds the slot of {name}")
    stop(site, node)
    _drop_slots(site, node)
    surgery.close_edges(site, name, keep=None)
    site.backend.remove_node(node)
    aside = _set_aside(server.folder(node))
    lab = site.read()
    state.write(site.directory, replace(lab, nodes=tuple(other for other in lab.nodes if other.name != name)))
    return aside


def _enrolled(site: Site, wanted: NodePlan) -> tuple[NodeRecord, Reservation | None]:
    """The record of the new node, and its port while nobody may take it; the record it has when an add was killed."""
    lab = site.read()
    known = next((node for node in lab.nodes if node.name == wanted.name), None)
    if known is not None:
        if not _is_joining(known) or known.upstream != wanted.follows:
            raise LabError(f"lab {lab.name!r} already has a node {wanted.name}: choose another name")
        return known, None
    node = _checked(lab, wanted)
    upstream = lab.node(str(node.follows))
    require_reachable(site, upstream, f"{node.name} is to follow it")
    held = Reservation(1)
    record = NodeRecord(
        name=node.name,
        port=held.ports[0],
        upstream=upstream.name,
        data_directory=str(site.directory / node.name / "data"),
        role=Part.STANDBY if upstream.upstream is None else Part.CASCADE,
        settings=node.settings,
    )
    place = server.folder(record)
    place.mkdir(exist_ok=True)
    place.chmod(0o755)
    (place / JOINING).touch()
    (place / POSTPONED).unlink(missing_ok=True)  # of another attempt, killed before it was recorded
    postpone(record, node.delay)
    state.write(site.directory, replace(lab, nodes=(*lab.nodes, record)))
    return record, held


def _checked(lab: LabState, wanted: NodePlan) -> NodePlan:
    """The new node in its final form. Raises LabError, judging it with the tree that it is to be part of."""
    if wanted.follows is None:
        raise LabError(f"a new node follows one of the lab: say what {wanted.name} follows")
    if any(other.name == wanted.name for other in lab.recovered):
        raise LabError(f"lab {lab.name!r} has a recovered node {wanted.name}: choose another name")
    if len(lab.nodes) >= MOST_NODES:
        raise LabError(f"a lab has at most {MOST_NODES} nodes: remove one first")
    tree = tree_of(lab, lab.node(wanted.follows).name)
    plan = checked(replace(tree, nodes=(*tree.nodes, wanted)))
    return next(node for node in plan.nodes if node.name == wanted.name)


def _join(site: Site, node: NodeRecord, held: Reservation | None) -> None:
    upstream = str(node.upstream)
    if not site.is_running(node):
        update(site, site.backend.make_node(site.read(), node))
        surgery.rebuild(site, node.name, upstream)
        if held is not None:
            held.release()
        surgery.start(site, node.name)
    build.await_streaming(site, upstream, {node.name})
    give_delay(site, node.name)
    (server.folder(node) / JOINING).unlink(missing_ok=True)


def postpone(node: NodeRecord, delay: str | None) -> None:
    """Keep the delay for later; one that a killed program kept stays."""
    if delay is not None:
        state.replace_file(server.folder(node) / POSTPONED, delay)


def give_delay(site: Site, name: str) -> None:
    """Have a node that streams replay as late as was kept for it, if anything was."""
    lab = site.read()
    kept = server.folder(lab.node(name)) / POSTPONED
    if not kept.exists():
        return
    node = replace(lab.node(name), delay=kept.read_text(encoding="utf-8"))
    update(site, node)
    edge = links.read(site.directory).edge(name, str(node.upstream))
    server.configure(node, lab, site.upstream(node, edge) if edge else None)
    site.backend.reload(node)
    kept.unlink()


def _is_joining(node: NodeRecord) -> bool:
    return (server.folder(node) / JOINING).exists()


def _refuse_removal(site: Site, lab: LabState, node: NodeRecord) -> None:
    followers = [other.name for other in lab.nodes if other.upstream == node.name]
    if followers:
        raise LabError(f"{node.name} cannot be removed while others follow it: {', '.join(followers)}")
    if node.upstream is None:
        others = [other for other in lab.nodes if other.upstream is None and other.name != node.name]
        if not others:
            raise LabError(f"{node.name} is the primary: promote another node before it can be removed")
        if site.is_running(node):
            raise LabError(f"{node.name} still runs as a primary: stop or kill it before it can be removed")
    elif not _is_joining(node):
        _refuse_waiting(lab, node)


def _refuse_waiting(lab: LabState, node: NodeRecord) -> None:
    """Whether the synchronous rule could still be kept without that node."""
    tree = tree_of(lab, node.name)
    names = [other.name for other in lab.nodes if other.name != node.name]
    direct = [other.name for other in tree.followers(tree.primary.name) if other.name != node.name]
    try:
        checked_rule(lab.synchronous, names, direct, tree.primary.name)
    except LabError as error:
        raise LabError(f"{node.name} cannot be removed from a synchronous lab that waits for it: {error}") from None


def require_reachable(site: Site, node: NodeRecord, why: str) -> None:
    """Looked at before anything is changed. Raises LabError when it does not run, is frozen, or answers nobody."""
    try:
        with site.connect(node):
            return
    except PgReplTermError as error:
        raise LabError(f"{error}; {why}") from None


def stop(site: Site, node: NodeRecord) -> None:
    """Stop a node if it runs. Raises LabError when it is frozen."""
    if site.is_running(node):
        site.backend.stop(node)
    update(site, replace(site.read().node(node.name), process=None))


def _drop_slots(site: Site, node: NodeRecord) -> None:
    """On its upstream, where the walsender may not have ended yet, and on any other node it once followed."""
    lab = site.read()
    for other in lab.nodes:
        if other.name not in (node.name, node.upstream):
            surgery.forget_slot(site, other.name, node.name)
    if node.upstream is None:
        return
    with site.connect(lab.node(node.upstream)) as link:

        def gone() -> bool:
            sql.drop_slot(link, node.name)
            return not sql.has_slot(link, node.name)

        if not process.wait_until(gone, SLOT_TIMEOUT):
            raise LabError(f"the slot of {node.name} on {node.upstream} is still in use: see who streams from it there")


def _set_aside(folder: Path) -> Path:
    aside = folder.with_name(
        f"{folder.name}.removed.{time.strftime('%Y%m%dT%H%M%S')}.{time.monotonic_ns() % 1_000_000:06}"
    )
    if folder.exists():
        folder.rename(aside)
    return aside
