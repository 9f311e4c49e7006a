"""What each node of a lab is at the end of a run: its role, its upstream, its timeline, how far it has come.

Owns: asking all of them, and waiting for standbys to catch up with one LSN of the primary. Must not: judge.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from pgreplterm.errors import PgReplTermError
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.state import NodeRecord
from pgreplterm.wal.lsn import LSN

_LOOK_EVERY = 0.05  # seconds
_ASKED = (
    "SELECT pg_is_in_recovery(),"
    " CASE WHEN pg_is_in_recovery() THEN (SELECT received_tli FROM pg_stat_wal_receiver WHERE status = 'streaming')"
    " ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,"
    " CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END - '0/0',"
    " (SELECT status = 'streaming' FROM pg_stat_wal_receiver), pg_last_wal_receive_lsn() - '0/0'"
)
_SLOTS = "SELECT slot_name, active, slot_type FROM pg_replication_slots ORDER BY 1"


@dataclass(frozen=True, slots=True)
class NodeStanding:
    """One node. silence says why it does not answer; target is the LSN of the primary that it is compared with.

    delay is its recovery_min_apply_delay: it replays late on purpose, and cannot be compared row by row.
    """

    name: str
    silence: str = ""
    in_recovery: bool = False
    timeline: int | None = None
    position: int | None = None
    receives: bool = False
    upstream: str | None = None
    slots: tuple[str, ...] = ()
    odd_slots: tuple[str, ...] = ()
    target: int | None = None
    delay: str | None = None
    received: int | None = None

    @property
    def answers(self) -> bool:
        """Whether it could be asked."""
        return not self.silence

    @property
    def streams(self) -> bool:
        """Whether its walreceiver streams."""
        return self.receives

    @property
    def caught_up(self) -> bool:
        """Whether it has replayed what the primary had flushed when the comparison began."""
        return self.position is not None and self.target is not None and self.position >= self.target

    @property
    def is_as_far_as_it_may(self) -> bool:
        """Caught up; or, with a delay, holding everything that it will replay."""
        if self.delay is None or self.caught_up:
            return self.caught_up
        return self.received is not None and self.target is not None and self.received >= self.target

    @property
    def upstream_words(self) -> str:
        """From whom, or that it does not."""
        return f"from {self.upstream}" if self.receives else "its walreceiver does not stream"

    @property
    def gap_words(self) -> str:
        """How far it is."""
        if self.position is None or self.target is None:
            return "position unknown" if self.position is None else "no primary to compare with"
        behind = max(0, self.target - self.position)
        delayed = f", received but replayed {self.delay} later" if self.delay and self.is_as_far_as_it_may else ""
        return f"{behind} bytes behind {LSN(self.target)}{delayed}" if behind else f"has replayed {LSN(self.target)}"


def standings(lab: Lab, stopped: Collection[str], within: float) -> tuple[NodeStanding, ...]:
    """Every node, once all that are not meant to be stopped have caught up and stream, or time is up."""
    deadline = time.monotonic() + within
    found = _all(lab, None)
    heads = [each for each in found if each.answers and not each.in_recovery]
    target = heads[0].position if len(heads) == 1 else None
    while target is not None:
        found = _all(lab, target)
        settled = all(_is_settled(each) for each in found if each.name not in stopped)
        if settled or time.monotonic() > deadline or _is_hopeless(lab, found, stopped):
            break
        time.sleep(_LOOK_EVERY)
    return found


def _all(lab: Lab, target: int | None) -> tuple[NodeStanding, ...]:
    return tuple(replace(_ask(lab, node), target=target) for node in lab.nodes)


def _is_settled(each: NodeStanding) -> bool:
    return each.answers and (not each.in_recovery or (each.streams and each.is_as_far_as_it_may))


def _is_hopeless(lab: Lab, found: Sequence[NodeStanding], stopped: Collection[str]) -> bool:
    """A node that should run and does not comes back by nobody's hand: the others have been heard."""
    rest = [each for each in found if each.name not in stopped and not _is_settled(each)]
    return all(not each.answers and not lab.is_running(each.name) for each in rest)


def _ask(lab: Lab, node: NodeRecord) -> NodeStanding:
    try:
        with lab.connection(node.name) as link:
            row = link.execute(_ASKED).fetchone()
            slots = link.execute(_SLOTS).fetchall()
    except PgReplTermError as error:
        return NodeStanding(node.name, silence=str(error))
    assert row is not None  # a query without FROM has one row
    followers = {other.name for other in lab.nodes if other.upstream == node.name}
    odd = [
        f"{name} ({kind}{'' if active else ', inactive'})"
        for name, active, kind in slots
        if not active or name not in followers
    ]
    return NodeStanding(
        node.name,
        "",
        bool(row[0]),
        row[1],
        None if row[2] is None else int(row[2]),
        bool(row[3]),
        node.upstream,
        tuple(str(name) for name, _, _ in slots),
        tuple(odd),
        delay=node.delay if row[0] else None,
        received=None if row[4] is None else int(row[4]),
    )
