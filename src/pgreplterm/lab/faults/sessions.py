"""Faults made of sessions: a transaction that does not end, and more connections than a server has room for.

Owns: those two. Must not: hold a session itself; ``holding`` has a process for that.
"""

from __future__ import annotations

import re
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

FEEDBACK = "hot_standby_feedback"
LONG = 1.0
"""Seconds that a transaction must have been open to be told from those that come and go."""

ROLE_TIMEOUT = 20.0
LOOK = 0.02
_FULL = re.compile(r"too many clients|connection slots are reserved")


class LongTransaction:
    """BEGIN, a query, and then nothing."""

    name: ClassVar[str] = "long-transaction"
    effect: ClassVar[str] = "an idle transaction holds back the oldest snapshot, so that VACUUM removes nothing newer"
    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTORE
    options: ClassVar[Mapping[str, Option]] = {
        "feedback": Option("on a standby: 1 has it tell its upstream what it needs, 0 leaves that", "0 or 1", 1.0)
    }

    def unavailable(self, lab: Lab, target: str) -> str | None:
        return standing.refusal(lab, target, "SELECT NULL") or settings.taken(lab, target, (FEEDBACK,))

    def prepare(self, lab: Lab, order: Order) -> Undo:
        feeds_back = bool(order.options["feedback"]) and standing.is_standby(lab, order.target)
        return traces.undo_of(lab, order.target, {FEEDBACK: "on"} if feeds_back else None)

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        node, token = order.target, str(undo["token"])
        settings.apply(lab, undo)
        begun = ("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", "SELECT count(*) FROM pg_class")
        wanted = holding.Sessions(holding.application_name(token), lab.dsn(node), statements=begun)
        holding.hold(lab, token, wanted, lambda found: found.held == 1, f"no transaction was begun on {node}")
        told = f", and tells its upstream ({FEEDBACK})" if settings.changes(undo) else ""
        return f"a transaction on {node} is idle and keeps its snapshot{told}"

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        node = snapshot.node(order.target)
        sessions = node.sample.activity.sessions if node is not None and node.sample is not None else None
        if node is None or node.failure is not None or sessions is None or sessions.oldest is None:
            return None
        oldest = sessions.oldest
        if not (oldest.state or "").startswith("idle in transaction") or oldest.age < LONG or oldest.xmin_age is None:
            return None
        held = f"{order.target} has a transaction idle since {duration_in_words(oldest.age)}"
        return f"{held} (pid {oldest.pid}), {oldest.xmin_age} transactions old{self._upstream(snapshot, order, undo)}"

    def _upstream(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str:
        """What its upstream's slot holds back for it, once the feedback has arrived."""
        node = snapshot.node(order.target)
        above = snapshot.node(node.upstream) if node is not None and node.upstream is not None else None
        if not settings.changes(undo) or above is None or above.sample is None:
            return ""
        held = [slot for slot in above.sample.slots if slot.name == order.target and slot.xmin_age is not None]
        return f"; {above.name} keeps what it needs (slot {held[0].name})" if held else ""

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:  # noqa: ARG002
        return traces.remove(lab, undo)


class ConnectionFlood:
    """Sessions of a role without superuser rights, until the server lets no more in."""

    name: ClassVar[str] = "connection-flood"
    effect: ClassVar[str] = "the server refuses ordinary roles; superusers still have the slots reserved for them"
    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTORE
    options: ClassVar[Mapping[str, Option]] = {
        "connections": Option("how many to open at most; 0: until the server refuses", "connections", 0.0)
    }

    def unavailable(self, lab: Lab, target: str) -> str | None:
        """The role has to be made where the node gets its data from."""
        try:
            primary = standing.primary_of(lab, target)
        except LabError as error:
            return str(error)
        asked = standing.refusal(lab, target, "SELECT NULL")
        return asked or (standing.refusal(lab, primary, "SELECT NULL") if primary != target else None)

    def prepare(self, lab: Lab, order: Order) -> Undo:
        return traces.undo_of(lab, order.target, makes="ROLE")

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        node, token = order.target, str(undo["token"])
        role = traces.object_name(token)
        self._make_role(lab, node, role)
        wanted = int(order.options["connections"]) or None
        flood = holding.Sessions(holding.application_name(token), lab.dsn(node), {"user": role}, wanted=wanted)

        def flooded(found: holding.Standing) -> bool:
            return found.held == wanted or _FULL.search(found.problem) is not None

        found = holding.hold(lab, token, flood, flooded, f"{node} is not full")
        return f"{found.held} sessions were opened on {node}" + (f": {found.problem}" if found.problem else "")

    def _make_role(self, lab: Lab, node: str, role: str) -> None:
        """One that may do nothing but log in, which a lab's servers let every role do from here without a password."""
        primary = standing.primary_of(lab, node)
        with lab.connection(primary) as link:
            link.execute(f"CREATE ROLE {role} LOGIN".encode())
        with lab.connection(node) as link:
            asked = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)"
            if not process.wait_until(lambda: bool(sql.value(link, asked, role)), ROLE_TIMEOUT, pause=LOOK):
                raise LabError(f"{node} does not replay what {primary} writes: not within {ROLE_TIMEOUT:.0f} s")

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:  # noqa: ARG002
        """By the server's own count; a watcher without reserved slots is refused, and that says it too."""
        node = snapshot.node(order.target)
        if node is not None and node.failure is not None and _FULL.search(node.failure.reason):
            return f"{order.target} refuses connections: {printable(node.failure.reason)}"
        if node is None or node.sample is None or node.failure is not None or node.sample.activity.sessions is None:
            return None
        activity, clients = node.sample.activity, node.sample.activity.sessions.clients
        limit = _number(activity.setting("max_connections"))
        reserved = [activity.setting(f"{kind}reserved_connections") for kind in ("superuser_", "")]
        room = limit - sum(_number(each) for each in reserved)
        enough = min(room, int(order.options["connections"]) or room)
        return f"{order.target} has {clients} client sessions of {limit}" if room > 0 and clients >= enough else None

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:  # noqa: ARG002
        return traces.remove(lab, undo)


FAULTS: tuple[Fault, ...] = (LongTransaction(), ConnectionFlood())


def _number(setting: str | None) -> int:
    """reserved_connections exists from 16 on."""
    return 0 if setting is None else int(setting)
