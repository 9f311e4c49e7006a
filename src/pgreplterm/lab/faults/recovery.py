"""Faults that hold up the replay of a standby: paused by hand, or by a query that it conflicts with.

Owns: those three. Must not: end a process or touch a link.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, LiteralString

from pgreplterm.cluster.findings.replay import cause_of
from pgreplterm.cluster.words import size_in_words
from pgreplterm.lab import process, sql
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import holding, settings, standing, traces
from pgreplterm.lab.faults.fault import Aim, Fault, Option, Order, Undo, Undoing

if TYPE_CHECKING:
    from pgreplterm.cluster.activity import Conflicts
    from pgreplterm.cluster.model import ClusterSnapshot, NodeSample
    from pgreplterm.lab.lab import Lab

REPLAY_TIMEOUT = 20.0
VACUUM_TIMEOUT = 10.0
LOOK = 0.02
DELAYS = ("max_standby_streaming_delay", "max_standby_archive_delay")
A_DAY = 86_400.0

_PAUSABLE = """
    SELECT CASE WHEN NOT pg_is_in_recovery() THEN 'it is no standby: only those replay'
                WHEN pg_is_wal_replay_paused() THEN 'its replay is paused already' END
"""
_CAN_CONFLICT = """
    SELECT CASE WHEN NOT pg_is_in_recovery() THEN 'it is no standby: only those replay'
                WHEN pg_is_wal_replay_paused() THEN 'its replay is paused: resume it first' END
"""
_CANCELLED = """
    SELECT sum(confl_tablespace + confl_lock + confl_snapshot + confl_bufferpin + confl_deadlock)::int8
      FROM pg_stat_database_conflicts
"""


class ReplayPaused:
    """pg_wal_replay_pause()."""

    name: ClassVar[str] = "replay-paused"
    effect: ClassVar[str] = "the standby receives WAL and does not replay it: its data stands still, pg_wal grows"
    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTORE
    options: ClassVar[Mapping[str, Option]] = {}

    def unavailable(self, lab: Lab, target: str) -> str | None:
        return standing.refusal(lab, target, _PAUSABLE)

    def prepare(self, lab: Lab, order: Order) -> Undo:  # noqa: ARG002
        return {}

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:  # noqa: ARG002
        with lab.connection(order.target) as link:
            link.execute("SELECT pg_wal_replay_pause()")
        return f"replay on {order.target} was told to pause"

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:  # noqa: ARG002
        """From 14 on the server tells a pause that was asked for from one that is reached."""
        sample = _answer(snapshot, order.target)
        if sample is None or not sample.replay_paused:
            return None
        recovery = sample.activity.recovery
        if recovery is not None and recovery.pause_state not in (None, "paused"):
            return None
        return f"replay on {order.target} is paused at {sample.replay_lsn}, {_waiting(sample)}"

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:  # noqa: ARG002
        """A pause ends with the server, and with a promotion."""
        node = order.target
        if not standing.runs(lab, node):
            return f"{node} does not run, and starts without a pause"
        with lab.connection(node) as link:
            if not sql.value(link, "SELECT pg_is_in_recovery()"):
                return f"{node} is no standby any more: there is no pause"
            link.execute("SELECT pg_wal_replay_resume()")
        return f"replay on {node} goes on"


class _Conflict:
    """A query on a standby, and what the primary does that cannot be replayed while it runs."""

    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTORE
    options: ClassVar[Mapping[str, Option]] = {
        "delay": Option("how long replay waits for the query before it cancels it; 0: not at all", "s", A_DAY)
    }

    def unavailable(self, lab: Lab, target: str) -> str | None:
        try:
            standing.primary_of(lab, target)
        except LabError as error:
            return str(error)
        return standing.refusal(lab, target, _CAN_CONFLICT) or settings.taken(lab, target, DELAYS)

    def prepare(self, lab: Lab, order: Order) -> Undo:
        delay = f"{min(order.options['delay'], A_DAY) * 1000:.0f}"
        with lab.connection(order.target) as link:
            cancelled = int(sql.value(link, _CANCELLED) or 0)
        return traces.undo_of(
            lab, order.target, dict.fromkeys(DELAYS, delay), makes="TABLE", cancelled_before=cancelled
        )

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        """The table first, then the settings, then the query: each is there before the next needs it."""
        node, table = order.target, traces.object_name(undo["token"])
        primary = standing.primary_of(lab, node)
        with lab.connection(primary) as link:
            link.execute(
                f"CREATE TABLE {table} WITH (autovacuum_enabled = off) AS SELECT generate_series(1, 1000) AS n".encode()
            )
        settings.apply(lab, undo)
        _await_there(
            lab, node, "SELECT to_regclass(%s) IS NOT NULL", table, f"{node} does not replay what {primary} writes"
        )
        holding.begin(
            lab,
            undo["token"],
            holding.Sessions(
                holding.application_name(undo["token"]),
                lab.dsn(node),
                last=f"SELECT pg_sleep({2 * A_DAY:.0f}) FROM {table} LIMIT 1",
            ),
        )
        # Asleep it has its snapshot; another statement of its session may be active, with a snapshot that soon goes.
        running = (
            "SELECT EXISTS (SELECT FROM pg_stat_activity"
            " WHERE application_name = %s AND wait_event = 'PgSleep' AND backend_xmin IS NOT NULL)"
        )
        _await_there(lab, node, running, holding.application_name(undo["token"]), f"the query on {node} does not run")
        self._collide(lab, primary, table)
        return f"a query on {node} needs what {primary} has taken away since"

    def _collide(self, lab: Lab, primary: str, table: str) -> None:
        raise NotImplementedError

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        sample = _answer(snapshot, order.target)
        recovery = sample.activity.recovery if sample is not None else None
        if sample is None or recovery is None:
            return None
        cancelled = _more(recovery.conflicts, undo["cancelled_before"])
        if cancelled:
            return f"replay on {order.target} has cancelled queries: {cancelled} more than before"
        kind, event = (recovery.wait_event_type or "").lower(), (recovery.wait_event or "").lower()
        if kind != "lock" and not event.startswith("recoveryconflict"):
            return None
        return f"replay on {order.target} waits at {sample.replay_lsn}, {_waiting(sample)}: {cause_of(sample)}"

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:  # noqa: ARG002
        return traces.remove(lab, undo)


class QueryConflict(_Conflict):
    """A snapshot on the standby, and VACUUM on the primary."""

    name: ClassVar[str] = "query-conflict"
    effect: ClassVar[str] = "replay waits for a query that still sees rows which VACUUM removed, or cancels it"

    def unavailable(self, lab: Lab, target: str) -> str | None:
        """With feedback the primary would keep the rows."""
        told = "SELECT 'its hot_standby_feedback is on, which keeps VACUUM from removing what its queries see'"
        return super().unavailable(lab, target) or standing.refusal(
            lab, target, f"{told} WHERE current_setting('hot_standby_feedback') = 'on'"
        )

    def _collide(self, lab: Lab, primary: str, table: str) -> None:
        """VACUUM gives the emptied pages back to the system: by that it is known to have removed the rows."""
        with lab.connection(primary) as link:
            link.execute(f"DELETE FROM {table}".encode())

            def removed() -> bool:
                link.execute(f"VACUUM {table}".encode())
                return bool(sql.value(link, "SELECT pg_relation_size(%s::regclass) = 0", table))

            if not process.wait_until(removed, VACUUM_TIMEOUT, pause=LOOK):
                raise LabError(f"VACUUM on {primary} removes nothing: an older transaction still sees the rows")


class LockConflict(_Conflict):
    """A lock on the standby, and TRUNCATE on the primary."""

    name: ClassVar[str] = "lock-conflict"
    effect: ClassVar[str] = "replay waits for a query on a table that TRUNCATE has locked on the primary, or cancels it"

    def _collide(self, lab: Lab, primary: str, table: str) -> None:
        with lab.connection(primary) as link:
            link.execute(f"TRUNCATE {table}".encode())


FAULTS: tuple[Fault, ...] = (ReplayPaused(), QueryConflict(), LockConflict())


def _await_there(lab: Lab, node: str, question: LiteralString, name: str, otherwise: str) -> None:
    with lab.connection(node) as link:
        if not process.wait_until(lambda: bool(sql.value(link, question, name)), REPLAY_TIMEOUT, pause=LOOK):
            raise LabError(f"{otherwise}: not within {REPLAY_TIMEOUT:.0f} s")


def _answer(snapshot: ClusterSnapshot, name: str) -> NodeSample | None:
    """What the node said, unless its last attempt gave nothing."""
    node = snapshot.node(name)
    return node.sample if node is not None and node.failure is None else None


def _waiting(sample: NodeSample) -> str:
    if sample.position is None or sample.replay_lsn is None:
        return "how much it has received beyond that is unknown"
    return f"{size_in_words(max(0, sample.position - sample.replay_lsn))} received beyond that"


def _more(conflicts: Conflicts | None, before: int) -> int:
    """How many more queries were cancelled; 0 also when the counters were reset meanwhile."""
    return 0 if conflicts is None else max(0, conflicts.total - before)
