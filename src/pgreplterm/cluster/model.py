"""What a cluster looked like at one moment, as frozen values.

Owns: the types that sampling produces and everything else (terminal, ``--json``, drills, recordings) consumes.
Must not: connect, query, judge, or format. ``None`` always means unknown or not applicable, never zero.

Units: LSNs are bytes in the WAL stream, gaps and sizes are bytes, ages and lags are seconds, instants are
seconds since the Unix epoch by this machine's clock unless the field says "server clock".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pgreplterm.cluster.activity import NO_ACTIVITY, Activity
from pgreplterm.cluster.forks.grounds import NO_EVIDENCE, LineageEvidence
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.timeline import TimelineHistory


class Role(StrEnum):
    """What a node is in the topology; a cascade is a standby that streams from another standby."""

    PRIMARY = "primary"
    STANDBY = "standby"
    CASCADE = "cascade"
    UNKNOWN = "unknown"


class NodeState(StrEnum):
    """What a node does now. Words are Patroni's and pg_stat_replication's where those have one."""

    RUNNING = "running"  # a primary that answers
    STREAMING = "streaming"
    CATCHUP = "catchup"
    STARTUP = "startup"  # attached, not yet sending: also what a diverged standby flickers through
    BACKUP = "backup"
    NOT_STREAMING = "not streaming"  # in recovery, no walreceiver, or one that only feeds on itself
    DIVERGED = "diverged"  # holds WAL its upstream's (or the primary's) timeline never had
    STALE = "stale"  # it answered before; the evidence is older than it should be
    DOWN = "down"  # connection refused or reset
    SILENT = "silent"  # no answer within the timeout: frozen, partitioned, or overloaded
    STARTING = "starting"  # the server says it is starting up or shutting down
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sender:
    """One row of pg_stat_replication on the upstream. LSNs and lags are None without pg_monitor."""

    pid: int
    application_name: str
    client_addr: str | None
    client_port: int | None
    state: str | None
    sent_lsn: LSN | None
    write_lsn: LSN | None
    flush_lsn: LSN | None
    replay_lsn: LSN | None
    write_lag: float | None
    flush_lag: float | None
    replay_lag: float | None
    sync_state: str | None
    sync_priority: int | None
    reply_age: float | None
    slot_name: str | None


@dataclass(frozen=True, slots=True)
class Receiver:
    """The row of pg_stat_wal_receiver on the downstream."""

    pid: int
    status: str | None
    sender_host: str | None
    sender_port: int | None
    slot_name: str | None
    received_timeline: int | None
    written_lsn: LSN | None
    flushed_lsn: LSN | None
    latest_end_lsn: LSN | None
    last_message_age: float | None


@dataclass(frozen=True, slots=True)
class Slot:
    """One row of pg_replication_slots. retained is the node's position minus restart_lsn, in bytes.

    inactive_age (seconds since it was last used), invalidation_reason, failover (a logical slot that standbys copy) and
    synced (such a copy) exist from 17 on, conflicting (a logical slot's on a standby) from 16. xmin_age: how many
    transactions have begun since the oldest that its standby (hot_standby_feedback) may still have to see.
    """

    name: str
    kind: str
    active: bool
    active_pid: int | None
    restart_lsn: LSN | None
    retained: int | None
    wal_status: str | None
    safe_wal_size: int | None
    inactive_age: float | None = None
    invalidation_reason: str | None = None
    temporary: bool | None = None
    conflicting: bool | None = None
    failover: bool | None = None
    synced: bool | None = None
    xmin_age: int | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """Something this role may not see: what is hidden, and the privilege that shows it, as one would GRANT it."""

    hidden: str  # "walsenders' positions", "pg_wal's size"
    privilege: str  # "pg_monitor", "EXECUTE on function pg_read_binary_file"


@dataclass(frozen=True, slots=True)
class NodeSample:
    """What one server said in one round trip.

    taken_at is the middle of the round trip by this machine's clock; clock_offset is the server's clock minus
    this machine's at that moment, in seconds, exact to half the round trip.
    """

    taken_at: float
    round_trip: float
    server_version_num: int
    system_identifier: int
    cluster_name: str
    port: int
    in_recovery: bool
    postmaster_started_at: float  # server clock
    timeline: int | None  # of the WAL position, not of pg_control
    wal_segment_size: int
    write_lsn: LSN | None  # primary: pg_current_wal_lsn()
    flush_lsn: LSN | None  # primary: pg_current_wal_flush_lsn(); standby: last received and flushed
    replay_lsn: LSN | None  # standby only
    replay_paused: bool | None
    last_replayed_commit_age: float | None  # server clock minus the primary's commit time
    primary_conninfo_host: str | None
    primary_conninfo_port: int | None
    synchronous_standby_names: str | None
    senders: tuple[Sender, ...]
    receiver: Receiver | None
    slots: tuple[Slot, ...]
    history: TimelineHistory | None  # of the current timeline; None on timeline 1 or when unreadable
    clock_offset: float | None = None
    primary_conninfo_application_name: str | None = None
    primary_slot_name: str | None = None
    wal_receiver_status_interval: float | None = None  # seconds; 0 switches status replies off
    wal_receiver_timeout: float | None = None  # seconds; 0 switches the timeout off
    activity: Activity = NO_ACTIVITY
    missing_privileges: tuple[Missing, ...] = ()
    evidence: LineageEvidence = NO_EVIDENCE
    server_addr: str | None = None  # where it says it was reached: behind NAT its own address; None on a socket

    @property
    def missing_privilege(self) -> str | None:
        """The predefined role this one lacks to see replication whole, "pg_monitor" for more than one of them."""
        roles = {missing.privilege for missing in self.missing_privileges if missing.privilege.startswith("pg_")}
        return roles.pop() if len(roles) == 1 else "pg_monitor" if roles else None

    @property
    def position(self) -> LSN | None:
        """The end of the WAL this node holds: written on a primary, received or replayed on a standby."""
        if not self.in_recovery:
            return self.write_lsn
        known = [lsn for lsn in (self.flush_lsn, self.replay_lsn) if lsn is not None]
        return max(known, default=None)


@dataclass(frozen=True, slots=True)
class NodeFailure:
    """Why the last attempt to sample a node gave nothing. reason is one line of hostile server text."""

    state: NodeState
    reason: str
    since: float
    retry_at: float | None


class LinkKind(StrEnum):
    """What a walsender serves, by its state, its slot, its application_name and what it never confirms."""

    STANDBY = "standby"
    RECEIVEWAL = "pg_receivewal"
    BACKUP = "base backup"
    LOGICAL = "logical"


class RejoinAction(StrEnum):
    """What it takes to have a node follow the primary."""

    FOLLOW = "follow"  # nothing but a connection: all its WAL is on the primary's line
    REWIND = "rewind"  # pg_rewind: it holds WAL past the fork, and what pg_rewind needs is there
    REBUILD = "rebuild"  # a new base backup
    FOREIGN = "foreign"  # another cluster's: never
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Rejoin:
    """The action for one node, and the one fact that decides it, as a sentence without its full stop.

    fork_lsn is where its line and the primary's part, beyond how many bytes it holds past that, theirs how many the
    primary does.
    """

    action: RejoinAction
    reason: str
    fork_lsn: LSN | None = None
    fork_timeline: int | None = None
    beyond: int | None = None
    theirs: int | None = None


@dataclass(frozen=True, slots=True)
class CatchUp:
    """How long until replay has everything at the present rates, in seconds; None with never: not at these rates."""

    seconds: float | None
    never: bool = False


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes a second over the last window seconds: WAL arriving at the upstream, and replayed by the downstream."""

    wal: float
    replay: float | None
    window: float


@dataclass(frozen=True, slots=True)
class Gaps:
    """Bytes between the upstream's current position and each stage of one downstream; None is unknown.

    All four start at the same place, the end of WAL the upstream holds (NodeSample.position), so they grow
    from unsent to replay: unsent ends at sent_lsn, write at write_lsn, flush at flush_lsn, replay at replay_lsn.
    """

    unsent: int | None
    write: int | None
    flush: int | None
    replay: int | None


@dataclass(frozen=True, slots=True)
class Link:
    """One replication edge, joined from both of its ends.

    upstream and downstream are node names; downstream is the application_name when no watched node matches.
    evidence_age is the age of the standby's own last word about its position, in seconds. time_lag is how long
    ago the upstream stood where the downstream has replayed to, in seconds; None when idle or unknown, which
    gaps.replay tells apart. unacknowledged is how long at least the oldest WAL sent and not acknowledged as written has
    been there, in seconds; None when there is none, and in the first tick.
    """

    upstream: str
    downstream: str
    sender: Sender | None
    receiver: Receiver | None
    gaps: Gaps
    time_lag: float | None
    evidence_age: float | None
    kind: LinkKind = LinkKind.STANDBY
    catch_up: CatchUp | None = None  # None: nothing to catch up with, or unknown, which gaps.replay tells apart
    rates: Rates | None = None  # None: fewer than two ticks to compare
    unacknowledged: float | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A node as both its own sample and its neighbours' words describe it.

    role and state are what can be said now: a node that fails to answer has role UNKNOWN whatever it was.
    upstream is the node it streams from or, while it streams from none, last streamed from.
    """

    name: str
    address: str  # host:port, never a password
    role: Role
    state: NodeState
    timeline: int | None
    upstream: str | None
    sample: NodeSample | None  # the newest there is, however old
    sample_age: float | None
    failure: NodeFailure | None
    discovered: bool = False  # found through a neighbour, not named by the user
    feeds_itself: bool = False  # its walreceiver is connected to itself or to a node it feeds, or set to be
    orphaned: bool = False  # on a timeline no other node ever was on, which is not the one primary's either
    rejoin: Rejoin | None = None  # of a node that is not the primary; None while there is no single primary to judge by


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    """All nodes and links at one tick, in topology order (primary first, children after their upstream)."""

    taken_at: float
    system_identifier: int | None  # None when unknown or when nodes disagree
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]

    def node(self, name: str) -> Node | None:
        """The node of that name, or None."""
        return next((node for node in self.nodes if node.name == name), None)

    def link_to(self, downstream: str) -> Link | None:
        """The link that feeds that node, or None."""
        return next((link for link in self.links if link.downstream == downstream), None)

    @property
    def primaries(self) -> tuple[Node, ...]:
        """Nodes that answered as not in recovery: one when healthy, two in a split brain."""
        return tuple(node for node in self.nodes if node.role is Role.PRIMARY)
