"""What the drills here do by SQL, each for any node.

Owns: these acts and their way back. Must not: order them.
"""

from __future__ import annotations

import re
import time

from pgreplterm.cluster.model import ClusterSnapshot, Node, NodeState
from pgreplterm.cluster.operating.operator import Upstream, place_of
from pgreplterm.drill.foreign.scene import Scene
from pgreplterm.drill.foreign.step import Step, Work
from pgreplterm.errors import DrillFailed
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.lsn import LSN

SHUTDOWN = "CHECKPOINT_SHUTDOWN"


def slot_of(scene: Scene, node: str) -> str | None:
    """The slot it uses today; where others use slots a primary gets one, too, by its name."""
    seen = scene.node(node)
    if seen.sample is not None and seen.sample.primary_slot_name:
        return seen.sample.primary_slot_name
    used = any(other.sample is not None and other.sample.primary_slot_name for other in scene.snapshot.nodes)
    return re.sub(r"[^a-z0-9_]", "_", node.lower())[:63] if used else None


def application_name_of(scene: Scene, node: str) -> str:
    """As it shows in pg_stat_replication."""
    seen = scene.node(node).sample
    return (seen.primary_conninfo_application_name if seen is not None else None) or node


def upstream_of(scene: Scene, node: str, source: str) -> Upstream:
    """How that node will reach the source: as we do, unless it was said otherwise."""
    host, port = place_of(scene.targets[source])
    host, port = scene.arguments.get("host") or host, int(scene.arguments.get("port") or port)
    return Upstream(host, port, application_name_of(scene, node), slot_of(scene, node))


def make_slots(scene: Scene, server: str, nodes: tuple[str, ...]) -> Step:
    """Slots for those who will come, holding WAL from now on."""
    wanted = tuple(name for node in nodes if (name := slot_of(scene, node)) is not None)

    def act(work: Work) -> str:
        with work.operator(server) as session:
            made = [name for name in wanted if session.create_slot(name)]
        work.slots += [(server, name) for name in made]
        return f"made {', '.join(made) or 'none'} on {server}"

    return Step(
        "make slots",
        f"make replication slots on {server}: {', '.join(wanted) or 'none, nobody uses one'}",
        "slots do not travel: without one the new primary may remove WAL that a standby still needs",
        act,
        undo=f"drop the slots made on {server}",
        back=drop_made_slots,
    )


def drop_made_slots(work: Work) -> None:
    """Those of this run that nobody uses."""
    while work.slots:
        node, name = work.slots.pop()
        with work.operator(node) as session:
            session.drop_slot(name)


def follow(scene: Scene, node: str, source: str, name: str = "repoint") -> Step:
    """ALTER SYSTEM SET primary_conninfo and primary_slot_name, and reload; then it streams."""
    place = upstream_of(scene, node, source)

    def act(work: Work) -> str:
        with work.operator(node) as session:
            work.before[node] = session.follow(place)
        work.until(lambda now: streams_from(now, node, source), f"{node} to stream from {source}")
        return f"{node} streams from {source}"

    return Step(
        f"{name} {node}",
        f"have {node} stream from {source} at {place.host}:{place.port}: ALTER SYSTEM SET primary_conninfo, "
        f"primary_slot_name = '{place.slot or ''}'; reload",
        "a reload is enough: the walreceiver starts again, the server does not. PostgreSQL notes the new value in its "
        "own log, with the password if one is in it; one in a file of passwords is not",
        act,
        undo=f"put {node}'s primary_conninfo and primary_slot_name back",
        back=lambda work: put_back(work, node),
    )


def put_back(work: Work, node: str) -> None:
    """Settings of that node as they were."""
    for before in work.before.pop(node, ()):
        with work.operator(node) as session:
            session.put_back(before)


def checkpoint(node: str, why: str) -> Step:
    """CHECKPOINT."""

    def act(work: Work) -> str:
        begun = time.monotonic()
        with work.operator(node) as session:
            session.checkpoint()
        return f"{time.monotonic() - begun:.1f} s"

    return Step(f"checkpoint {node}", f"CHECKPOINT on {node}", why, act)


def promote(node: str) -> Step:
    """pg_promote()."""

    def act(work: Work) -> str:
        with work.operator(node) as session:
            seconds = session.promote()
        now = work.until(lambda now: is_primary(now, node), f"{node} to be primary")
        seen = now.node(node)
        return f"{node} is primary on timeline {seen.timeline if seen else '?'} after {seconds:.2f} s"

    return Step("promote", f"SELECT pg_promote() on {node}", "from here on everything goes forward", act, promotes=True)


def has_it_all(old: str, new: str) -> Step:
    """The candidate's WAL must end with the record that ends the old primary's."""

    def act(work: Work) -> str:
        now = work.until(lambda now: _has_replayed(now.node(new)), f"{new} to replay all it has received")
        found = now.node(new)
        assert found is not None and found.sample is not None and found.sample.position is not None
        last, end = _last_record(work, new, found.timeline, found.sample.position)
        if last != SHUTDOWN:
            raise DrillFailed(
                f"expected the WAL of {new} to end with {old}'s shutdown checkpoint, found {last} at {end}: "
                f"{new} may lack writes; start {old} again."
            )
        work.end = end
        return f"its WAL ends at {end} with the shutdown checkpoint of {old}: nothing is missing"

    return Step(
        "candidate has it all",
        f"read the end of {new}'s WAL: it must be {old}'s shutdown checkpoint, replayed",
        "a fast stop sends everything to the standbys that are connected; only this proves that one has it",
        act,
    )


def _has_replayed(node: Node | None) -> bool:
    sample = node.sample if node is not None and node.failure is None else None
    return sample is not None and sample.receiver is None and sample.replay_lsn == sample.position is not None


def _last_record(work: Work, node: str, timeline: int | None, position: LSN) -> tuple[str, LSN]:
    """Its name and its end; a person reads pg_controldata where this role may not read WAL."""
    from pgreplterm.cluster.decoded.wal_range import wal_of
    from pgreplterm.wal.rmgr import record_name
    from pgreplterm.wal.scan import scan_run
    from pgreplterm.wal.source import Run

    try:
        source = wal_of(work.scene.targets[node], timeline)
        number = LSN(position - 1).segment_number(source.segment_size)
        near = [each for run in source.runs for each in run.segments if number - 1 <= each.number <= number]
        rows = [row for row in scan_run(source, Run(near[-1].timeline, tuple(near))).index if row.lsn < position]
        last = rows[-1]
        return record_name(source.format.major, last.rmgr, last.info), LSN(last.end)
    except (WalError, IndexError) as error:
        raise DrillFailed(f"expected to read the end of {node}'s WAL; {error}") from None


def is_primary(now: ClusterSnapshot, node: str) -> bool:
    """It answers as a primary."""
    found = now.node(node)
    return found is not None and found.failure is None and found.state is NodeState.RUNNING


def is_down(now: ClusterSnapshot, node: str) -> bool:
    """It refuses connections: silence could be the network."""
    found = now.node(node)
    return found is not None and found.failure is not None and found.failure.state is NodeState.DOWN


def streams_from(now: ClusterSnapshot, node: str, source: str) -> bool:
    """It streams, from that node, on its timeline."""
    found, server = now.node(node), now.node(source)
    return (
        found is not None
        and server is not None
        and found.failure is None
        and found.state is NodeState.STREAMING
        and found.upstream == source
        and found.timeline == server.timeline
    )


def verify(source: str, nodes: tuple[str, ...]) -> Step:
    """One primary, and everyone streams from it or below."""

    def act(work: Work) -> str:
        now = work.until(
            lambda now: (
                [each.name for each in now.primaries] == [source]
                and all(streams_from(now, node, source) for node in nodes)
            ),
            f"{source} to be the one primary and {', '.join(nodes) or 'nobody'} to stream from it",
        )
        found = now.node(source)
        return (
            f"{source} on timeline {found.timeline if found else '?'}; {', '.join(nodes) or 'nobody'} streams from it"
        )

    return Step("verify", f"{source} is the one primary, and the others stream from it", "trust no exit code", act)


def drop_left_slots(node: str, names: tuple[str, ...]) -> Step:
    """Slots that its standbys left on the old primary hold its WAL for ever."""

    def act(work: Work) -> str:
        with work.operator(node) as session:
            dropped = [name for name in names if session.drop_slot(name)]
        return f"dropped {', '.join(dropped) or 'none'}"

    return Step(
        "drop left slots",
        f"drop on {node} the slots nobody uses any more: {', '.join(names) or 'none'}",
        "a slot without a reader holds WAL for ever",
        act,
    )
