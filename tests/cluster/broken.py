"""Clusters that break one rule each, and healthy neighbours that break none, for tests of the findings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pgreplterm.cluster.activity import Activity, Archiver, Checkpoints, Recovery, Waiter, WalFolder
from pgreplterm.cluster.findings import Severity
from pgreplterm.cluster.joining.join import join
from pgreplterm.cluster.joining.observe import Observation
from pgreplterm.cluster.model import ClusterSnapshot, LinkKind, Missing, Node, NodeSample, NodeState
from pgreplterm.cluster.thresholds import MB
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.timeline import TimelineHistory, TimelineSwitch

from .samples import END, NOW, failed, primary, receiver, seen, sender, slot, standby

BLIND = (Missing("walsenders' names, states and positions", "pg_monitor"),)
SECOND = TimelineHistory(2, (TimelineSwitch(1, LSN(END - 1000), ""),))


def watched(*observations: Observation, now: float = NOW + 0.1, stale_after: float = 2.5) -> ClusterSnapshot:
    return join(observations, now, stale_after=stale_after)


def pair(above: NodeSample | None = None, below: NodeSample | None = None) -> ClusterSnapshot:
    """pg1 and s1, healthy but for what is given."""
    above = above or primary(senders=(sender("s1"),), slots=(slot("s1"),))
    return watched(seen(above), seen(below or standby("s1")))


def feeding(**changes: Any) -> NodeSample:
    """pg1 with s1 attached to it."""
    return primary(**{"senders": (sender("s1"),), **changes})


def settings(**values: str) -> Activity:
    return Activity(settings=tuple(values.items()))


def archiver(**changes: Any) -> Archiver:
    return replace(Archiver("on", 9, "0" * 24, 5.0, 0, None, None, 3600.0), **changes)


def folder(ready: int) -> WalFolder:
    return WalFolder(NOW, 200, 200 * 16 * MB, ready, None, None)


def checkpoints(timed: int, requested: int) -> Checkpoints:
    return Checkpoints(timed, requested, None, None, None, None, 0.0, 0.0, 0, 86400.0)


def recovery(**changes: Any) -> Activity:
    return Activity(recovery=replace(Recovery("not paused", None, None, None, None, None), **changes))


def marked(snapshot: ClusterSnapshot, name: str, **changes: Any) -> ClusterSnapshot:
    """The snapshot with one node changed by hand."""

    def changed(node: Node) -> Node:
        return replace(node, **changes) if node.name == name else node

    return replace(snapshot, nodes=tuple(changed(node) for node in snapshot.nodes))


def linked(snapshot: ClusterSnapshot, **changes: Any) -> ClusterSnapshot:
    """The snapshot with its links changed by hand."""
    return replace(snapshot, links=tuple(replace(link, **changes) for link in snapshot.links))


BEHIND = LSN(END - 20 * MB)
LAGGING = pair(feeding(senders=(sender("s1", replay_lsn=BEHIND),)), standby("s1", replay_lsn=BEHIND))
WAITING = standby("s1", replay_lsn=LSN(END - 8192), activity=recovery(wait_event="RecoveryConflictSnapshot"))


def waiting(ago: float, **changes: Any) -> ClusterSnapshot:
    """s1 with 8 kB received and not replayed, so long ago."""
    at = NOW - ago
    above = feeding(taken_at=at, senders=(sender("s1", replay_lsn=LSN(END - 8192)),))
    return watched(seen(above), seen(replace(WAITING, taken_at=at, **changes)), now=at)


FROZEN = {"synchronous_standby_names": "FIRST 1 (s1)"}
WAITERS = Activity(waiters=(Waiter(1, 700, 12.0, "app"), Waiter(2, 701, 3.0, "app")))
COUNTED = [primary(activity=Activity(checkpoints=checkpoints(*counts))) for counts in ((100, 3), (110, 15))]


@dataclass(frozen=True)
class Case:
    """One broken cluster: the rule that must be found, how bad, and words of its sentence or evidence."""

    rule: str
    severity: Severity
    words: str
    snapshot: ClusterSnapshot
    earlier: tuple[ClusterSnapshot, ...] = ()


C, W, U, INFO = Severity.CRITICAL, Severity.WARNING, Severity.UNKNOWN, Severity.INFO
CASES = (
    Case(
        "split-brain",
        C,
        "b is on timeline 2 at 0/05000000",
        watched(seen(primary("a")), seen(primary("b", timeline=2))),
    ),
    Case("no-primary", C, "pg1 is down for", watched(failed(primary()), seen(standby("s1", receiver=None)))),
    Case("no-primary", C, "no server answers: host:? is down", watched(failed(None), failed(None, name="b"))),
    Case("no-primary", U, "no server can be read", watched(failed(None, NodeState.UNKNOWN, "no such role"))),
    Case("no-primary", U, "no primary is watched", watched(seen(standby("s1")))),
    Case("feeds-itself", C, "from itself", marked(pair(), "s1", feeds_itself=True)),
    Case(
        "orphaned-timeline",
        C,
        "s1 is on timeline 3, which pg1 never was on",
        marked(pair(feeding(timeline=2, history=SECOND)), "s1", timeline=3, state=NodeState.STREAMING),
    ),
    Case("orphaned-timeline", C, "no other node", marked(pair(feeding(timeline=2)), "s1", orphaned=True)),
    Case(
        "different-clusters",
        W,
        "b has system identifier 1",
        watched(seen(primary("a")), seen(primary("b", system_identifier=1))),
    ),
    Case(
        "sync-frozen",
        C,
        "FIRST 1 (s1) needs 1 standby, none streams",
        pair(primary(**FROZEN), standby("s1", receiver=None)),
    ),
    Case(
        "sync-frozen",
        C,
        "the list has 1 name, so it can never be met",
        pair(feeding(synchronous_standby_names="FIRST 2 (s1)")),
    ),
    Case("sync-frozen", C, "2 sessions wait, longest 12 s", pair(primary(**FROZEN, activity=WAITERS))),
    Case("sync-slow", W, "a commit on pg1 has waited 12 s", pair(feeding(**FROZEN, activity=WAITERS))),
    Case("sync-ignored", INFO, "is local", pair(feeding(**FROZEN, activity=settings(synchronous_commit="local")))),
    Case("wal-level", INFO, "wal_level is minimal", watched(seen(primary(activity=settings(wal_level="minimal"))))),
    Case(
        "diverged",
        C,
        "1000 B past the fork on timeline 1",
        watched(
            seen(primary("s1", timeline=2, history=SECOND, write_lsn=LSN(END + 5))), seen(standby("pg1", receiver=None))
        ),
    ),
    Case("not-streaming", W, "s1 is not streaming from anyone", pair(primary(), standby("s1", receiver=None))),
    Case("not-receiving", W, "receives nothing", pair(feeding(senders=(sender("s1", state="startup"),)))),
    Case("state-unknown", U, "unknown", pair(feeding(senders=(sender("s1", state="mystery"),)))),
    Case("replay-paused", W, "paused on s1, 0 B behind", pair(feeding(), standby("s1", replay_paused=True))),
    Case(
        "replay-paused",
        W,
        "paused on s1",
        pair(feeding(), standby("s1", activity=recovery(pause_state="pause requested"))),
    ),
    Case(
        "replay-stalled",
        W,
        "stands still on s1 with 8 kB received: queries on it conflict",
        waiting(0),
        (waiting(9, postmaster_started_at=0.0), waiting(5), waiting(2.5)),
    ),
    Case(
        "replay-delayed",
        INFO,
        "1 h 0 min late by design",
        pair(feeding(senders=(sender("s1", replay_lsn=BEHIND),)), standby("s1", activity=recovery(apply_delay=3600.0))),
    ),
    Case(
        "slot-lost",
        C,
        "is lost (wal_removed)",
        pair(feeding(slots=(slot("s9", wal_status="lost", invalidation_reason="wal_removed"),))),
    ),
    Case("slot-lost", C, "begin anew", pair(feeding(slots=(slot("s9", kind="logical", conflicting=True),)))),
    Case("slot-unreserved", C, "next checkpoint", pair(feeding(slots=(slot("s9", wal_status="unreserved"),)))),
    Case(
        "slot-nearly-lost", W, "is lost after 3.0 MB more WAL", pair(feeding(slots=(slot("s9", safe_wal_size=3 * MB),)))
    ),
    Case(
        "slot-nearly-lost",
        W,
        "limit 1.0 GB",
        pair(feeding(slots=(slot("s9", safe_wal_size=900 * MB),), activity=settings(max_slot_wal_keep_size="10240"))),
    ),
    Case("slot-inactive", W, "holds back 11.0 MB", pair(feeding(slots=(slot("s9", active=False, retained=11 * MB),)))),
    Case("slot-inactive", INFO, "holds back 1.0 MB", pair(feeding(slots=(slot("s9", active=False, retained=MB),)))),
    Case("stale", U, "pg1 has not answered for 1.1 s", watched(seen(primary(taken_at=NOW - 1)), stale_after=0.2)),
    Case("stale", W, "pg1 has not answered for 3.1 s", watched(seen(primary(taken_at=NOW - 3)))),
    Case("stale", W, "has not confirmed anything for 30 s", pair(feeding(senders=(sender("s1", reply_age=30.0),)))),
    Case("stale", W, "walreceiver has not", watched(seen(primary(senders=(sender("walreceiver", reply_age=30.0),))))),
    Case(
        "unreachable",
        W,
        "s2 is down (Connection refused)",
        watched(seen(feeding()), seen(standby("s1")), failed(None, name="s2")),
    ),
    Case(
        "unreadable",
        U,
        "cannot be read (no such role)",
        watched(seen(primary()), failed(None, NodeState.UNKNOWN, "no such role", "s1")),
    ),
    Case("unasked", U, "has not answered yet", watched(seen(primary()), Observation("h:1", "h:1"))),
    Case("missing-privilege", U, "lacks pg_monitor", watched(seen(primary(missing_privileges=BLIND)))),
    Case("replay-lag", W, "s1 is 20.0 MB behind in replay", LAGGING),
    Case(
        "replay-lag",
        C,
        "s1 is 2.0 GB behind",
        pair(feeding(senders=(sender("s1", replay_lsn=LSN(END)),), write_lsn=LSN(END + 2048 * MB))),
    ),
    Case(
        "replay-lag",
        W,
        "pg_receivewal is 20.0 MB behind in write",
        linked(
            watched(seen(primary(senders=(sender("pg_receivewal", write_lsn=BEHIND, slot_name=None),)))),
            kind=LinkKind.RECEIVEWAL,
        ),
    ),
    Case("time-lag", W, "s1 is 31 s behind pg1", linked(pair(), time_lag=31.0)),
    Case("time-lag", C, "s1 is 5 min 1 s behind pg1", linked(pair(), time_lag=301.0)),
    Case(
        "catching-up",
        W,
        "catching up, 1000 B behind",
        pair(feeding(senders=(sender("s1", state="catchup", replay_lsn=LSN(END - 1000)),))),
    ),
    Case("gap-unknown", U, "how far s1 is behind", pair(feeding(write_lsn=None, flush_lsn=None))),
    Case(
        "archiver-failing",
        W,
        "3 WAL files waiting",
        pair(
            feeding(
                activity=Activity(
                    archiver=archiver(failed=2, last_failed_wal="0" * 24, last_failed_age=1.0), folder=folder(3)
                )
            )
        ),
    ),
    Case(
        "archiver-failing",
        C,
        "101 WAL files waiting",
        pair(feeding(activity=Activity(archiver=archiver(failed=2, last_failed_age=1.0), folder=folder(101)))),
    ),
    Case(
        "archive-backlog",
        INFO,
        "101 WAL files wait",
        pair(feeding(activity=Activity(archiver=archiver(), folder=folder(101)))),
    ),
    Case(
        "archive-backlog",
        W,
        "101 WAL files wait",
        pair(feeding(activity=Activity(archiver=archiver(last_archived_age=None), folder=folder(101)))),
    ),
    Case(
        "checkpoints-requested",
        W,
        "12 were requested, 100 were timed",
        watched(seen(primary(activity=Activity(checkpoints=checkpoints(100, 12))))),
    ),
    Case(
        "checkpoints-requested",
        W,
        "12 were requested, 10 were timed",
        watched(seen(COUNTED[1])),
        (watched(seen(COUNTED[0]), now=NOW - 600),),
    ),
    Case(
        "senders-used-up",
        W,
        "9 of 10 walsenders",
        watched(
            seen(primary(senders=tuple(sender(f"s{n}") for n in range(9)), activity=settings(max_wal_senders="10")))
        ),
    ),
    Case(
        "settings-misfit",
        W,
        "max_connections is 50 on s1 and 100 on pg1",
        pair(feeding(activity=settings(max_connections="100")), standby("s1", activity=settings(max_connections="50"))),
    ),
    Case(
        "without-slot",
        INFO,
        "pg1 keeps no WAL for s1",
        pair(
            feeding(senders=(sender("s1", slot_name=None),), activity=settings(wal_keep_size="0")),
            standby("s1", receiver=receiver(None), primary_slot_name=None),
        ),
    ),
)


HEALTHY = {
    "at rest": pair(),
    "idle, with old words": pair(feeding(senders=(sender("s1", reply_age=9.9, replay_lag=None),))),
    "fresh, with the checkpoints of its base backups": pair(feeding(activity=Activity(checkpoints=checkpoints(0, 4)))),
    "one requested checkpoint in ten": pair(feeding(activity=Activity(checkpoints=checkpoints(100, 10)))),
    "an archiver that has recovered": pair(
        feeding(activity=Activity(archiver=archiver(failed=7, last_failed_age=60.0), folder=folder(0)))
    ),
    "a failure from before it was a standby": pair(
        feeding(), standby("s1", activity=Activity(archiver=archiver(failed=7, last_failed_age=1.0)))
    ),
    "archiving off": pair(feeding(activity=Activity(archiver=archiver(mode="off", failed=7, last_failed_age=1.0)))),
    "a small reserve that is whole": pair(
        feeding(slots=(slot("s1", safe_wal_size=30 * MB),), activity=settings(max_slot_wal_keep_size="32"))
    ),
    "a slot never used": pair(feeding(slots=(slot("s9", active=False, restart_lsn=None, retained=None),))),
    "a copy of a logical slot": pair(
        feeding(), standby("s1", slots=(slot("l", kind="logical", active=False, retained=99 * MB, synced=True),))
    ),
    "a temporary slot": pair(feeding(slots=(slot("t", active=False, retained=99 * MB, temporary=True),))),
    "synchronous": pair(feeding(**FROZEN, activity=settings(synchronous_commit="on"))),
    "a commit that waits a moment": pair(feeding(**FROZEN, activity=Activity(waiters=(Waiter(1, 7, 0.2, "app"),)))),
    "base backups beside": watched(
        seen(
            primary(
                senders=tuple(
                    sender(f"b{n}", state="backup", replay_lsn=None, write_lsn=None, sent_lsn=None) for n in range(9)
                ),
                activity=settings(max_wal_senders="10"),
            )
        )
    ),
    "a standby with more of everything": pair(
        feeding(activity=settings(max_connections="50")), standby("s1", activity=settings(max_connections="100"))
    ),
}
