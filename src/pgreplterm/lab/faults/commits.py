"""The fault of commits that wait for a synchronous standby which is not there.

Owns: asking for such a standby, and a commit that shows it. Must not: cancel anybody's wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pgreplterm.cluster.words import duration_in_words, printable
from pgreplterm.lab import process, sql
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import holding, settings, standing, traces
from pgreplterm.lab.faults.fault import Aim, Fault, Option, Order, Undo, Undoing

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.lab.lab import Lab

NAMES = "synchronous_standby_names"
NOBODY = "pgreplterm_nobody"
AGAIN = 0.05
"""Seconds between two commits as long as they still get through."""

STUCK_TIMEOUT = 20.0
LOOK = 0.02
# A message in the WAL changes no row.
_COMMIT = "SELECT pg_logical_emit_message(true, 'pgreplterm', 'a commit that waits')"
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND wait_event = 'SyncRep'"


class SynchronousCommitStuck:
    """synchronous_standby_names with a name that nobody has."""

    name: ClassVar[str] = "synchronous-commit-stuck"
    effect: ClassVar[str] = "commits hang without an error: the one synchronous standby they wait for does not exist"
    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTORE
    options: ClassVar[Mapping[str, Option]] = {
        "commits": Option("how many commits of this program's own wait, to show it", "commits", 1.0)
    }

    def unavailable(self, lab: Lab, target: str) -> str | None:
        refused = standing.refusal(
            lab, target, "SELECT 'it is a standby: nobody commits there' WHERE pg_is_in_recovery()"
        )
        return refused or settings.taken(lab, target, (NAMES,))

    def prepare(self, lab: Lab, order: Order) -> Undo:
        return traces.undo_of(lab, order.target, {NAMES: f"FIRST 1 ({NOBODY})"})

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        node, token, commits = order.target, str(undo["token"]), int(order.options["commits"])
        settings.apply(lab, undo)
        wanted = holding.Sessions(
            holding.application_name(token),
            lab.dsn(node),
            statements=("SET synchronous_commit = on",),
            last=_COMMIT,
            again=AGAIN,
            wanted=commits,
        )
        if commits:
            holding.begin(lab, token, wanted)
        with lab.connection(node) as link:

            def stuck() -> bool:
                return int(sql.value(link, _WAITING, wanted.application_name)) >= commits

            if not process.wait_until(stuck, STUCK_TIMEOUT, pause=LOOK):
                raise LabError(f"commits on {node} do not wait: not within {STUCK_TIMEOUT:.0f} s")
        return f"commits on {node} wait for {NOBODY}, a standby that does not exist"

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:  # noqa: ARG002
        node = snapshot.node(order.target)
        if node is None or node.sample is None or node.failure is not None:
            return None
        names, waiters = node.sample.synchronous_standby_names, node.sample.activity.waiters
        if not names or not waiters or any(sender.sync_state == "sync" for sender in node.sample.senders):
            return None
        longest = max((waiter.waiting for waiter in waiters if waiter.waiting is not None), default=None)
        since = "" if longest is None else f", the longest for {duration_in_words(longest)}"
        count = f"{len(waiters)} commit{'s' if len(waiters) > 1 else ''} on {order.target}"
        return f"{count} waiting for {printable(names)}, of which none streams{since}"

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:  # noqa: ARG002
        return traces.remove(lab, undo)


FAULTS: tuple[Fault, ...] = (SynchronousCommitStuck(),)
