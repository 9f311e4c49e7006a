"""The drills there are for a cluster that is not ours: who is who in each, its preflight, and its steps in order.

Owns: these plans. Must not: do anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from pgreplterm.cluster.model import NodeState, RejoinAction
from pgreplterm.cluster.operating.operator import place_of, user_of
from pgreplterm.drill.choose import candidates
from pgreplterm.drill.foreign import acts, commands
from pgreplterm.drill.foreign.scene import Scene
from pgreplterm.drill.foreign.step import Step, Work
from pgreplterm.drill.preflight import Drill, Subject
from pgreplterm.errors import DrillFailed, PgReplTermError

FENCED = "FENCED"


class Plan(NamedTuple):
    """What a preflight is asked about, and the steps."""

    subject: Subject
    steps: tuple[Step, ...]


def switchover(scene: Scene) -> Plan:
    """Stop the primary cleanly, promote a standby that has everything, bring the old primary back as its standby."""
    old = _primary(scene)
    new = _candidate(scene, old)
    siblings = tuple(node.name for node in scene.followers(old) if node.name != new)
    folder = scene.folder(old)
    left = tuple(name for node in (new, *siblings) if (name := acts.slot_of(scene, node)) is not None)
    steps = (
        acts.make_slots(scene, new, (*siblings, old)),
        _prepare(scene, old, new),
        acts.checkpoint(old, "the shutdown checkpoint is short when one has just been made"),
        Step(
            "stop primary",
            f"you stop {old} in fast mode",
            "it ends its sessions, sends all WAL to its standbys, and writes a shutdown checkpoint",
            commands=(commands.stop(old, folder),),
            until=lambda now: acts.is_down(now, old),
            awaited=f"{old} to be down",
            undo=f"start {old} again, as the primary it was",
            undo_commands=(commands.start(old, folder),),
            undone=lambda now: acts.is_primary(now, old),
        ),
        acts.has_it_all(old, new),
        acts.promote(new),
        acts.checkpoint(new, "its pg_control names the new timeline from now on"),
        *(acts.follow(scene, node, new) for node in siblings),
        Step(
            "old primary returns",
            f"you start {old} as a standby of {new}",
            "it ended exactly where the new timeline begins, so there is nothing to rewind",
            commands=(commands.standby_signal(old, folder), commands.start(old, folder)),
            until=lambda now: acts.streams_from(now, old, new),
            awaited=f"{old} to stream from {new}",
        ),
        acts.drop_left_slots(old, left),
        acts.verify(new, (*siblings, old)),
    )
    return Plan(Subject(Drill.SWITCHOVER, scene.snapshot, scene.facts, old, new), steps)


def failover(scene: Scene) -> Plan:
    """Promote the best standby of a primary that is gone, after you have fenced it."""
    old = scene.lost
    if old is None:
        raise PgReplTermError("expected one node that does not answer, the lost primary; name it: --set primary=NODE.")
    new = _best(scene, old)
    siblings = tuple(node.name for node in scene.left_alone(old) if node.name != new)
    steps = (
        Step(
            "fence",
            f"you make sure that {old} cannot take writes, and type {FENCED}",
            "unreachable is not dead: two primaries would both acknowledge writes",
            _fenced,
            commands=(commands.stop_at_once(old, scene.folder(old)),),
        ),
        acts.make_slots(scene, new, siblings),
        acts.promote(new),
        acts.checkpoint(new, "its pg_control names the new timeline from now on, which pg_rewind needs"),
        *(acts.follow(scene, node, new) for node in siblings),
        acts.verify(new, siblings),
    )
    return Plan(Subject(Drill.TAKEOVER, scene.snapshot, scene.facts, old, new), steps)


def repoint(scene: Scene) -> Plan:
    """Have a standby stream from another node."""
    node, source = _named(scene, "node"), _named(scene, "source")
    if node == source:
        raise PgReplTermError(f"expected another node for {node} to follow, found itself.")
    subject = Subject(
        Drill.REPOINT, scene.snapshot, scene.facts, scene.primary.name if scene.primary else None, None, node, source
    )
    return Plan(subject, (acts.make_slots(scene, source, (node,)), acts.follow(scene, node, source)))


def rejoin(scene: Scene) -> Plan:
    """Bring a former primary or a diverged standby back: by following, pg_rewind, or a new base backup."""
    node, source = _named(scene, "node"), scene.arguments.get("source") or _primary(scene)
    way = scene.arguments.get("way") or _way(scene, node)
    if way not in _WAYS:
        raise PgReplTermError(f"expected --set way={', '.join(_WAYS)}, found {way!r}.")
    folder, place = scene.folder(node), acts.upstream_of(scene, node, source)
    user = scene.facts.of(scene.primary.name if scene.primary else None).replication_user or user_of(
        scene.targets[source]
    )
    follows = {
        "primary_conninfo": commands.conninfo(place.host, place.port, user, application_name=place.application_name),
        "primary_slot_name": place.slot or "",
    }
    steps = (
        acts.checkpoint(source, "pg_rewind compares what pg_control says of timelines"),
        acts.make_slots(scene, source, (node,)),
        Step(
            f"{way} {node}",
            f"you bring {node} back by {_WAYS[way]}",
            "keep a copy of its directory first: what only it has is gone afterwards",
            commands=_commands(scene, way, node, source, folder, follows, place.slot),
            until=lambda now: acts.streams_from(now, node, source),
            awaited=f"{node} to stream from {source}",
        ),
    )
    subject = Subject(Drill.REJOIN, scene.snapshot, scene.facts, _primary(scene), None, node, source)
    return Plan(subject, steps)


def sync_mode(scene: Scene) -> Plan:
    """Set synchronous_standby_names on the primary."""
    primary, rule = _primary(scene), scene.arguments.get("rule", "")

    def act(work: Work) -> str:
        with work.operator(primary) as session:
            work.before[primary] = (session.set("synchronous_standby_names", rule),)
            session.reload()
        work.until(lambda now: _rule_of(now.node(primary)) == rule, f"{primary} to have that rule")
        return f"synchronous_standby_names is {rule!r}"

    step = Step(
        "set rule",
        f"ALTER SYSTEM SET synchronous_standby_names = {rule!r} on {primary}; reload",
        "commits wait for the standbys it names; a reload also wakes those that wait for one no longer named",
        act,
        undo=f"put {primary}'s synchronous_standby_names back",
        back=lambda work: acts.put_back(work, primary),
    )
    return Plan(Subject(Drill.SYNC_MODE, scene.snapshot, scene.facts, primary, rule=rule), (step,))


_WAYS = {"follow": "starting it as a standby", "rewind": "pg_rewind", "rebuild": "a new base backup"}

KINDS: Mapping[str, Callable[[Scene], Plan]] = {
    "switchover": switchover,
    "failover": failover,
    "repoint": repoint,
    "rejoin": rejoin,
    "sync-mode": sync_mode,
}

OPTIONS: Mapping[str, str] = {
    "candidate": "the standby to promote",
    "primary": "the lost primary (failover)",
    "node": "the node to repoint or bring back",
    "source": "whom it is to follow",
    "way": "follow, rewind or rebuild (rejoin)",
    "rule": "synchronous_standby_names (sync-mode)",
    "host": "where the others reach the new source, if not as we do",
    "port": "its port there",
    "data": "the data directory of the node that is printed in commands",
}


def _primary(scene: Scene) -> str:
    if scene.primary is None:
        raise PgReplTermError(f"expected one primary, found {len(scene.snapshot.primaries)}.")
    return scene.primary.name


def _named(scene: Scene, option: str) -> str:
    name = scene.arguments.get(option)
    if not name:
        raise PgReplTermError(f"expected --set {option}=NODE; found none.")
    return scene.node(name).name


def _candidate(scene: Scene, old: str) -> str:
    if scene.arguments.get("candidate"):
        return _named(scene, "candidate")
    streaming = [node for node in scene.followers(old) if node.state is NodeState.STREAMING]
    links = {node.name: scene.snapshot.link_to(node.name) for node in streaming}
    ranked = sorted(
        streaming,
        key=lambda node: (
            (link := links[node.name]) is None or link.sender is None or link.sender.sync_state == "async",
            link.gaps.replay if link is not None and link.gaps.replay is not None else 1 << 62,
            node.name,
        ),
    )
    if not ranked:
        raise PgReplTermError(f"expected a standby that streams from {old}, found none.")
    return ranked[0].name


def _best(scene: Scene, old: str) -> str:
    """By received WAL on the newest timeline any standby is on."""
    if scene.arguments.get("candidate"):
        return _named(scene, "candidate")
    timeline = max((node.timeline or 0 for node in scene.snapshot.nodes if node.name != old), default=0)
    ranked = candidates(scene.snapshot, timeline, 0.0)
    if not ranked:
        raise PgReplTermError("expected a standby that answers, found none.")
    return ranked[0].name


def _prepare(scene: Scene, old: str, new: str) -> Step:
    place = acts.upstream_of(scene, old, new)

    def act(work: Work) -> str:
        with work.operator(new) as like, work.operator(old) as session:
            work.before[old] = session.will_follow(place, like)
            return f"like {like.conninfo_shown()}, slot {place.slot or 'none'}"

    return Step(
        "prepare old primary",
        f"ALTER SYSTEM SET primary_conninfo and primary_slot_name on {old}, to stream from {new} at "
        f"{place.host}:{place.port}",
        "they mean nothing on a primary, and are there when it starts as a standby",
        act,
        undo=f"put {old}'s primary_conninfo and primary_slot_name back",
        back=lambda work: acts.put_back(work, old),
    )


def _fenced(work: Work) -> str:
    typed = work.hand.ask(
        f"When it cannot take writes (stopped, its service disabled, or its machine off), type {FENCED}"
    )
    if typed != FENCED:
        raise DrillFailed(f"expected {FENCED} to be typed, found {typed!r}; nothing was promoted.")
    if work.watch.newest().primaries:
        raise DrillFailed(f"a primary answers: {work.watch.newest().primaries[0].name}; nothing was promoted.")
    return "said to be fenced; no primary answers"


def _way(scene: Scene, node: str) -> str:
    known = scene.node(node).rejoin
    if known is not None and known.action in (RejoinAction.FOLLOW, RejoinAction.REWIND, RejoinAction.REBUILD):
        return str(known.action)
    return "rewind"


def _commands(
    scene: Scene, way: str, node: str, source: str, folder: str, follows: dict[str, str], slot: str | None
) -> tuple[commands.Command, ...]:
    host, port = place_of(scene.targets[source])
    to_source = commands.conninfo(host, port, user_of(scene.targets[source]), dbname="postgres")
    running = scene.node(node).failure is None
    stop = (commands.stop(node, folder),) if running else ()
    settings = commands.append_settings(node, folder, follows)
    signal, start = commands.standby_signal(node, folder), commands.start(node, folder)
    if way == "follow":
        return (*stop, settings, signal, start)
    if way == "rewind":
        rewind = commands.rewind(node, folder, to_source)
        kept, back = commands.keep_files(node, folder), commands.give_files_back(node, folder, "conf")
        return (*stop, kept, rewind, back, settings, signal, start)
    copy, back = commands.base_backup(node, folder, to_source, slot), commands.give_files_back(node, folder, "aside")
    return (*stop, commands.set_aside(node, folder), copy, back, settings, start)


def _rule_of(node: object) -> str | None:
    sample = getattr(node, "sample", None)
    return sample.synchronous_standby_names if sample is not None else None
