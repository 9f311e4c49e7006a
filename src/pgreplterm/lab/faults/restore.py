"""Making a lab whole: what ought to run runs, what follows follows.

Owns: starting again what something ended, and what ``lab heal`` does where no record says how. Must not: heal a fault,
copy or rewind a node, or start a second primary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pgreplterm.errors import PgReplTermError
from pgreplterm.lab import helpers, process, server, sql, state
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import wires
from pgreplterm.lab.site import Site
from pgreplterm.lab.state import NodeRecord

if TYPE_CHECKING:
    from pgreplterm.lab.build import Narrate
    from pgreplterm.lab.lab import Lab

UNFINISHED = "unfinished"
"""A file in the folder of a node whose data is being replaced; it is not to be started while that is there."""

STOPPING_TIMEOUT = 60.0
"""Seconds a server that somebody told to stop may take."""

LOOK = 0.02
"""Seconds between two looks whether it has; in a container each costs a question to the engine."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done, and what could not be made right, a sentence each."""

    steps: tuple[str, ...]
    complaints: tuple[str, ...]


def restore(lab: Lab, narrate: Narrate) -> Restored:
    """Thaw, clear networks and links, start what is down, make the slots, and wait until every standby streams."""
    site = Site.of(lab.directory)
    steps: list[str] = []
    complaints: list[str] = []
    for action in (_thaw_all, _join_networks, _revive_relay, _clear_links, _start_all, _make_slots):
        try:
            for step in action(lab, site):
                narrate(step)
                steps.append(step)
        except (PgReplTermError, OSError) as error:
            complaints.append(str(error))
    complaints += [f"{node.name} does not run" for node in lab.nodes if not site.is_running(node)]
    return Restored(tuple(steps), (*complaints, *await_streaming(lab)))


def await_streaming(lab: Lab) -> tuple[str, ...]:
    """Wait until every standby that runs, and whose upstream does, streams; a sentence on each that does not."""
    site = Site.of(lab.directory)
    able = {node.name for node in lab.nodes if site.is_running(node) and not site.is_frozen(node)}
    complaints = []
    for node in lab.nodes:
        if node.name in able and node.upstream in able and server.is_standby(node):
            try:
                lab.wait_streaming(node.name)
            except PgReplTermError as error:
                anew = f"pgreplterm lab reclone {node.name} --name {lab.name}"
                complaints.append(f"{error}; where WAL it needs is gone, '{anew}' makes it anew")
    return tuple(complaints)


def revive(lab: Lab, name: str) -> bool:
    """Start a node that does not run, whatever its end has left; whether there was anything to do. Raises LabError."""
    site = Site.of(lab.directory)
    node = lab.state.node(name)
    if site.is_running(node) and not _is_stopping(node):
        return False
    if not process.wait_until(lambda: not site.is_running(node), STOPPING_TIMEOUT, pause=LOOK):
        raise LabError(f"{name} has been stopping for {STOPPING_TIMEOUT:.0f} s: see {server.log_file(node)}")
    if (server.folder(node) / UNFINISHED).exists():
        raise LabError(f"{name} was being copied anew or rewound and has only a part of its data: heal its fault again")
    _refuse_second_primary(site, node)
    lab.kill(name)  # children that outlived their postmaster, or one that was started and never recorded
    lab.start(name)
    return True


def _thaw_all(lab: Lab, site: Site) -> Iterator[str]:
    for node in lab.nodes:
        if site.is_running(node) and (site.is_frozen(node) or _any_stopped(lab, node)):
            lab.thaw(node.name)
            yield f"{node.name} continues"


def _any_stopped(lab: Lab, node: NodeRecord) -> bool:
    """Whether SIGSTOP holds one of its processes, of which the postmaster need not be one."""
    for pid in lab.pids(node.name):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_STOPPED:
                return True
        except psutil.Error:
            continue
    return False


def _join_networks(lab: Lab, _: Site) -> Iterator[str]:
    """In Docker: somebody may have disconnected a node by hand."""
    for node in lab.nodes:
        joined = lab.wires(node.name)
        if joined is not None and not joined.has_joined():
            joined.join()
            yield f"{node.name} is on the replication network again"


def _revive_relay(lab: Lab, site: Site) -> Iterator[str]:
    with state.transaction(lab.directory):
        before = site.read().relay
        if helpers.ensure_relay(site) != before:
            yield "the relay is started again"


def _clear_links(lab: Lab, _: Site) -> Iterator[str]:
    for edge in lab.edges:
        if wires.clear(lab, edge.name):
            yield f"the link {edge.name} is clear"


def _start_all(lab: Lab, site: Site) -> Iterator[str]:
    """Those that will be primaries first: a standby reaches its upstream the sooner."""
    refused: list[str] = []
    for node in sorted(lab.nodes, key=server.is_standby):
        if site.is_running(node) and not _is_stopping(node):
            continue
        try:
            _refuse_ambiguous(lab, node)
            revive(lab, node.name)
            yield f"{node.name} is started"
        except PgReplTermError as error:
            refused.append(str(error))
    if refused:
        raise LabError("; ".join(refused))


def _make_slots(lab: Lab, site: Site) -> Iterator[str]:
    """The slot of every standby at its upstream; one that lost its WAL is made anew."""
    for upstream in lab.nodes:
        wanted = [node.name for node in lab.nodes if node.upstream == upstream.name]
        if not wanted or not site.is_running(upstream) or site.is_frozen(upstream):
            continue
        with lab.connection(upstream.name) as link:
            rows = link.execute("SELECT slot_name, wal_status FROM pg_replication_slots").fetchall()
            known = {str(row[0]): row[1] for row in rows}
            missing = tuple(name for name in wanted if known.get(name, "lost") == "lost")
            for name in missing:
                sql.drop_slot(link, name)
            sql.create_slots(link, missing)
        for name in missing:
            yield f"{upstream.name} has a slot {name} again"


def _refuse_second_primary(site: Site, node: NodeRecord) -> None:
    if server.is_standby(node):
        return
    for other in site.read().nodes:
        if other.name != node.name and site.is_running(other) and not server.is_standby(other):
            raise LabError(
                f"{node.name} would be a second primary beside {other.name} and is not started: make it "
                f"a standby with 'pgreplterm lab reclone {node.name} --from {other.name} --name {site.directory.name}'"
            )


def _refuse_ambiguous(lab: Lab, node: NodeRecord) -> None:
    """With several stopped primaries and none that runs, which one has the data to keep is not ours to say."""
    rivals = [each.name for each in lab.nodes if not server.is_standby(each)]
    if node.name in rivals and len(rivals) > 1 and not any(lab.is_running(name) for name in rivals):
        raise LabError(
            f"{' and '.join(rivals)} were both primaries and none of them runs: start the one to keep with "
            f"'pgreplterm lab start NODE --name {lab.name}'"
        )


def _is_stopping(node: NodeRecord) -> bool:
    """Whether its postmaster has said that it is shutting down."""
    lock = server.read_lock_file(Path(node.data_directory))
    return lock is not None and lock.status == "stopping"
