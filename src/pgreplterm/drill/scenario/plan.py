"""A scenario as the steps that a conductor runs.

Owns: the order: load and clients first, then the file's steps, then the quiet period and the comparison. Must not: know
a verb.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pgreplterm.drill.procedure import Step, Undo
from pgreplterm.drill.scenario.model import Scenario, ScenarioStep
from pgreplterm.drill.scenario.session import Session
from pgreplterm.drill.scenario.verbs.traffic import ChangeClients, ChangeLoad
from pgreplterm.drill.scenario.verbs.verb import Verb
from pgreplterm.drill.stage import Stage

_WHO_LOADS = "The background load: what the servers have to do while the rest happens."
_WHO_WRITES = (
    "Clients that write numbered rows, each in its own transaction, and log what they were told. Their logs, not the "
    "server's, tell how long writes failed and which acknowledged rows are gone."
)


def steps_of(scenario: Scenario, session: Callable[[], Session]) -> tuple[Step, ...]:
    """What the file says, in order; session is asked for when a step acts."""
    return tuple(_step(each, session) for each in _with_traffic(scenario))


def _with_traffic(scenario: Scenario) -> Iterator[ScenarioStep]:
    if scenario.load is not None:
        yield ScenarioStep("start the load", ChangeLoad(scenario.load), _WHO_LOADS)
    if scenario.clients is not None:
        yield ScenarioStep("start the clients", ChangeClients(scenario.clients), _WHO_WRITES)
    yield from scenario.steps


def _step(step: ScenarioStep, session: Callable[[], Session]) -> Step:
    def act(_: Stage) -> str:
        running = session()
        running.step = step.name
        if step.stage:
            running.note(step.stage, "stage")
        return step.verb.act(running)

    return Step(step.name, step.verb.will, step.explain, act, _undo(step.verb, session))


def _undo(verb: Verb, session: Callable[[], Session]) -> Callable[[Stage], Undo | None]:
    def undo(_: Stage) -> Undo | None:
        found = verb.undo(session())
        if found is not None and found.action == "restore-settings":
            session().settings_undos.append(found)
        return found

    return undo
