"""Conditions about how far standbys are behind, and what is kept for them.

Owns: these conditions. Must not: wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgreplterm.cluster.model import ClusterSnapshot, Node, NodeState
from pgreplterm.cluster.words import size_in_words
from pgreplterm.drill.scenario.conditions.condition import AT_PRIMARY, AT_STANDBYS, Condition, Evidence, Options, every
from pgreplterm.drill.scenario.keys import LINE, SIZE, Key, number, one_of

if TYPE_CHECKING:
    from pgreplterm.drill.scenario.session import Session


def _caught_up(session: Session, options: Options) -> Evidence:
    """Each has replayed what the primary had written when the wait began."""
    head = session.primary()
    began = session.stage.watch.newest().taken_at
    wanted: list[int] = []

    def replayed(_: ClusterSnapshot, node: Node) -> str | None:
        lsn = node.sample.replay_lsn if node.sample is not None else None
        if lsn is None or node.state is not NodeState.STREAMING or int(lsn) < wanted[0]:
            return None
        return f"{node.name} has replayed {lsn}"

    each = every(session, options["at"], replayed)

    def evidence(snapshot: ClusterSnapshot) -> str | None:
        if not wanted:
            node = snapshot.node(head)
            sample = node.sample if node is not None and node.failure is None else None
            if sample is None or sample.write_lsn is None or snapshot.taken_at <= began:
                return None
            wanted.append(int(sample.write_lsn))
        return each(snapshot)

    return evidence


def _lag(session: Session, options: Options) -> Evidence:
    above, below, stage = options["above"], options["below"], options["stage"]

    def behind(snapshot: ClusterSnapshot, node: Node) -> str | None:
        link = snapshot.link_to(node.name)
        gap = getattr(link.gaps, stage) if link is not None else None
        if gap is None or (above is not None and gap <= above) or (below is not None and gap >= below):
            return None
        return f"{node.name} is {size_in_words(gap)} behind at {stage}"

    return every(session, options["at"], behind)


def _time_lag(session: Session, options: Options) -> Evidence:
    def behind(snapshot: ClusterSnapshot, node: Node) -> str | None:
        link = snapshot.link_to(node.name)
        lag = link.time_lag if link is not None else None
        return f"{node.name} replays {lag:.1f} s behind" if lag is not None and lag > options["above"] else None

    return every(session, options["at"], behind)


def _slot(session: Session, options: Options) -> Evidence:
    name, status, active = options["slot"], options["status"], options["active"]

    def stands(_: ClusterSnapshot, node: Node) -> str | None:
        slots = node.sample.slots if node.sample is not None else ()
        slot = next((each for each in slots if each.name == name), None)
        if slot is None or status not in (None, slot.wal_status):
            return None
        if active is not None and slot.active is not (active == "yes"):
            return None
        return f"slot {name} on {node.name} is {slot.wal_status}{', active' if slot.active else ', not active'}"

    return every(session, options["at"], stands)


def _retained(session: Session, options: Options) -> Evidence:
    def holds(_: ClusterSnapshot, node: Node) -> str | None:
        slots = node.sample.slots if node.sample is not None else ()
        kept = next((each.retained for each in slots if each.name == options["slot"]), None)
        if kept is None or kept <= options["above"]:
            return None
        return f"slot {options['slot']} on {node.name} holds back {size_in_words(kept)}"

    return every(session, options["at"], holds)


CONDITIONS: tuple[Condition, ...] = (
    Condition(
        "caught-up",
        "these standbys stream and have replayed all the primary had written when the wait began",
        AT_STANDBYS,
        _caught_up,
    ),
    Condition(
        "lag",
        "these standbys are so many bytes behind their upstream",
        {
            **AT_STANDBYS,
            "above": Key(SIZE, "more than so much"),
            "below": Key(SIZE, "less than so much"),
            "stage": Key(one_of("unsent", "write", "flush", "replay"), "at which stage", default="replay"),
        },
        _lag,
    ),
    Condition(
        "time-lag",
        "these standbys replay so many seconds behind",
        {**AT_STANDBYS, "above": Key(number(), "more seconds than this", required=True)},
        _time_lag,
    ),
    Condition(
        "slot",
        "a replication slot stands so",
        {
            **AT_PRIMARY,
            "slot": Key(LINE, "its name: that of the standby that uses it", required=True),
            "status": Key(one_of("reserved", "extended", "unreserved", "lost"), "its wal_status"),
            "active": Key(one_of("yes", "no"), "whether a walsender uses it"),
        },
        _slot,
    ),
    Condition(
        "retained-wal",
        "a slot holds back more WAL than this",
        {
            **AT_PRIMARY,
            "slot": Key(LINE, "its name: that of the standby that uses it", required=True),
            "above": Key(SIZE, "more than so much", required=True),
        },
        _retained,
    ),
)
