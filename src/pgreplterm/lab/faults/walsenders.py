"""The fault of a server whose walsenders are all taken.

Owns: taking them, and having standbys come back to find none. Must not: touch the standbys themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from pgreplterm.lab import process, sql
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import holding, record, standing, traces, wires
from pgreplterm.lab.faults.fault import Aim, Fault, Option, Order, Undo, Undoing
from pgreplterm.lab.links import edge_name

if TYPE_CHECKING:
    import psycopg

    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.lab.lab import Lab

RETRY = 0.05
END_TIMEOUT = 20.0
LOOK = 0.02


class WalsendersExhausted:
    """Replication connections that ask for nothing: each has a walsender."""

    name: ClassVar[str] = "walsenders-exhausted"
    effect: ClassVar[str] = "max_wal_senders is reached: a standby that has to reconnect is refused, and falls behind"
    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTORE
    options: ClassVar[Mapping[str, Option]] = {
        "standbys": Option("how many of its standbys have to reconnect, in the lab's order", "standbys", 1.0)
    }

    def unavailable(self, lab: Lab, target: str) -> str | None:
        refused = standing.refusal(lab, target, "SELECT NULL")
        return refused or (None if standing.downstreams(lab, target) else f"no node of the lab streams from {target}")

    def prepare(self, lab: Lab, order: Order) -> Undo:
        victims = standing.downstreams(lab, order.target)[: int(order.options["standbys"])]
        links = [edge_name(victim, order.target) for victim in victims]
        return traces.undo_of(lab, order.target, victims=list(victims), links=links)

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        """The links of the standbys refuse meanwhile: who comes back the faster is left to nobody."""
        node, victims = order.target, list(undo["victims"])
        for link in undo["links"]:
            wires.change(lab, link, lambda found: replace(found, refuse=True))
        with lab.connection(node) as session:
            _end_walsenders(session, node, victims)
            limit = int(sql.value(session, "SELECT current_setting('max_wal_senders')::int"))
            free = limit - int(sql.value(session, "SELECT count(*) FROM pg_stat_replication"))
        name = holding.application_name(undo["token"])
        wanted = holding.Sessions(name, lab.dsn(node), {"replication": "true"}, wanted=free, retry=RETRY)
        holding.hold(
            lab, undo["token"], wanted, lambda found: found.held == free, f"the walsenders of {node} are not all taken"
        )
        _let_back(lab, undo)
        return f"{free} walsenders of {node} were taken, of {limit}" + _and(victims, "; {} had to reconnect")

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        above = snapshot.node(order.target)
        if above is None or above.sample is None or above.failure is not None:
            return None
        limit, senders = above.sample.activity.setting("max_wal_senders"), above.sample.senders
        served = {sender.application_name for sender in senders}.intersection(undo["victims"])
        if limit is None or len(senders) < int(limit) or served:
            return None
        told = f"{len(senders)} of {limit} walsenders of {order.target} are taken"
        return told + _and(undo["victims"], ", none by {}")

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:  # noqa: ARG002
        _let_back(lab, undo)
        return traces.remove(lab, undo)


FAULTS: tuple[Fault, ...] = (WalsendersExhausted(),)


def _end_walsenders(session: psycopg.Connection[Any], node: str, victims: list[str]) -> None:
    def gone() -> bool:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE application_name = ANY (%s)"
        return session.execute(ended, [victims]).rowcount == 0

    if not process.wait_until(gone, END_TIMEOUT, pause=LOOK):
        raise LabError(f"the walsenders of {', '.join(victims)} on {node} do not end within {END_TIMEOUT:.0f} s")


def _let_back(lab: Lab, undo: Undo) -> None:
    """Have the links take connections again, but for those that a fault of their own refuses."""
    kept = {other.order.target for other in record.readable(lab.directory)[0] if other.fault == "refuse"}
    for link in set(undo["links"]) - kept:
        wires.change(lab, link, lambda found: replace(found, refuse=False))


def _and(names: Sequence[str], sentence: str) -> str:
    return sentence.format(" and ".join(names)) if names else ""
