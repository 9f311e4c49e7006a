"""The end of a scenario: a quiet period, in which everything is healed and catches up, before anything is judged.

Owns: that period and the comparison of all nodes. Must not: judge figures (``expectation``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pgreplterm.drill import undo as undos
from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.measure import registry
from pgreplterm.drill.measure.clients import attempts_of
from pgreplterm.drill.procedure import Step
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.lab.fates import Fate, classify
from pgreplterm.lab.faults.engine import heal_lab

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.drill.scenario.session import Session
    from pgreplterm.drill.stage import Stage

CATCH_UP_WITHIN = 60.0
SETTLED = "every node runs and follows"
COUNTED = "the clients' writes are counted"

_WHY = (
    "Faults are healed, nobody writes any more, and every standby replays what there is: only then can it be said what "
    "is lost and whether the nodes agree."
)


def closing(session: Session) -> tuple[Step, ...]:
    """The steps after the last one of the file."""
    steps = [
        Step("settle", "stop all clients, heal everything, and let every standby catch up", _WHY, _settle(session))
    ]
    if session.journals or session.stage.journals:
        will = "compare what clients were told with what is there"
        steps.append(Step("count the clients' writes", will, _WHY_COUNT, _count_clients(session)))
    will = "compare the rows of every node with the primary's"
    return (*steps, Step("compare all nodes", will, _WHY_COMPARE, _compare(session)))


_WHY_COUNT = "Every id that a server acknowledged must be there; those that are not are the loss."
_WHY_COMPARE = "A replica that streams is not yet a replica that holds the same rows."


def _settle(session: Session) -> Callable[[Stage], str]:
    def act(stage: Stage) -> str:
        session.stop_clients()
        stage.lab.stop_load()
        complaints = []
        for undo in reversed(session.settings_undos):
            try:
                undos.run(stage.lab, undo)
            except PgReplTermError as error:
                complaints.append(str(error))
        session.settings_undos.clear()
        session.end_backgrounds(stage.observe)
        complaints += heal_lab(stage.lab, stage.observe).errors
        session.injected.clear()
        stage.watch_all()
        try:
            seconds = _await_caught_up(session)
        except PgReplTermError as error:
            complaints.append(str(error))
        if complaints:
            found = "; ".join(complaints).removesuffix(".")
            session.checks_after.append(Check(SETTLED, Verdict.REFUSAL, found))
            return found
        return f"{len(stage.lab.nodes)} nodes, caught up after {seconds:.1f} s"

    return act


def _compare(session: Session) -> Callable[[Stage], str]:
    def act(stage: Stage) -> str:
        from pgreplterm.drill.measure.consistency import Extent, check

        lost = _lost(session) if session.may_lose and session.journals else {}
        found = check(stage.lab, Extent(journals=tuple(session.journals), lost=lost))
        session.checks_after += found
        wrong = [each for each in found if not each.allows]
        return "; ".join(f"{each.name}: {each.evidence}" for each in wrong) or f"{len(found)} checks"

    return act


def _lost(session: Session) -> dict[int, tuple[int, ...]]:
    """The acknowledged ids that the primary does not have, by client: expectations judge them, no check does.

    Nothing, where nobody can say which node is the primary: then the checks fail, as they should.
    """
    found = {}
    try:
        primary = session.primary()
        for client, attempts in attempts_of(session.journals).items():
            found[client] = classify(attempts, [session.lab.read_probes(primary, client)]).of(Fate.LOST)
    except PgReplTermError:
        return {}
    return found


def _count_clients(session: Session) -> Callable[[Stage], str]:
    """What the clients saw, where no step has measured it: nobody writes any more, and everything is there."""

    def act(_: Stage) -> str:
        try:
            figures = registry.find("clients").run(session.moment_now(), {})
        except PgReplTermError as error:
            session.checks_after.append(Check(COUNTED, Verdict.REFUSAL, str(error).removesuffix(".")))
            return str(error)
        session.keep(*(each for each in figures if each.key not in session.figures))
        return ", ".join(f"{each.key} {each.value}" for each in figures if each.key in ("acknowledged", "lost"))

    return act


def _await_caught_up(session: Session) -> float:
    """Seconds until every standby has replayed all the primary has; nothing writes any more. Raises DrillFailed."""
    began = time.time()
    primary = session.primary()
    names = {node.name for node in session.lab.nodes} - {primary}

    def caught_up(snapshot: ClusterSnapshot) -> bool:
        if snapshot.taken_at < began:
            return False
        head = snapshot.node(primary)
        end = head.sample.write_lsn if head is not None and head.sample is not None and head.failure is None else None
        if end is None or head is None or head.sample is None or head.sample.taken_at < began:
            return False
        for name in names:
            node = snapshot.node(name)
            sample = node.sample if node is not None and node.failure is None else None
            if sample is None or sample.taken_at < began or sample.replay_lsn is None or sample.replay_lsn < end:
                return False
        return True

    try:
        session.stage.until(caught_up, "every standby to replay everything", CATCH_UP_WITHIN)
    except DrillFailed:
        if not _delayed(session):
            raise
    return time.time() - began


def _delayed(session: Session) -> bool:
    """A delayed standby is behind on purpose."""
    return any(node.delay is not None for node in session.lab.nodes)
