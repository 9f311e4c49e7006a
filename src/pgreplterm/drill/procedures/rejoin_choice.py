"""Which node is to rejoin, under which primary, and what can be said of it before anything is stopped.

Owns: the defaults, and the checks that are about this choice. Must not: change anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgreplterm.cluster.model import NodeState, RejoinAction
from pgreplterm.cluster.model import Rejoin as Judgement
from pgreplterm.drill.bringing_back import WAYS
from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.preflight import for_rejoin, look
from pgreplterm.drill.procedure import Scene
from pgreplterm.drill.rejoining import INTERRUPTED, verdict_on
from pgreplterm.errors import PgReplTermError
from pgreplterm.lab.faults import mending, standing

_BETTER_KNOWN = ("one primary", "lineage", "way back")
"""What the general list asks of a snapshot: here a second primary, or a line apart, is what the drill is for."""

_APART = (RejoinAction.REWIND, RejoinAction.REBUILD)


@dataclass(frozen=True, slots=True)
class Choice:
    """node and source are None where the scene leaves it open; nodes are those that could be meant."""

    node: str | None
    source: str | None
    nodes: tuple[str, ...]
    primaries: tuple[str, ...]


def choose(scene: Scene) -> Choice:
    """By the arguments, and where they are silent the only one there is. Raises LabError for a node there is not."""
    lab = scene.lab
    asked, source = (scene.arguments.get(name) or None for name in ("node", "source"))
    for name in filter(None, (asked, source)):
        lab.state.node(name)
    primaries = tuple(node.name for node in scene.snapshot.primaries)
    if source is None:
        others = [name for name in primaries if name != asked]
        source = others[0] if len(others) == 1 else None
    nodes = tuple(dict.fromkeys(_candidates(scene, source)))
    node = asked or (nodes[0] if len(nodes) == 1 and source is not None else None)
    return Choice(node, source, nodes, primaries)


def checks(scene: Scene, choice: Choice) -> tuple[Check, ...]:
    """What must hold of that choice."""
    found = [_source(choice), _node(scene, choice)]
    if not all(check.allows for check in found):
        return tuple(found)
    node, source = str(choice.node), str(choice.source)
    found += [_verdict(scene, node, source), _followers(scene, node)]
    others = for_rejoin(scene, node, source, look(scene.lab, scene.snapshot))
    return (*found, *(check for check in others if check.name not in _BETTER_KNOWN))


def _candidates(scene: Scene, source: str | None) -> Iterator[str]:
    """Those that follow nobody, are marked as unfinished, or hold WAL that the primary's line never had."""
    lab = scene.lab
    for record in lab.nodes:
        name = record.name
        if name != source and (not standing.is_standby(lab, name) or mending.is_unfinished(lab, name)):
            yield name
    for node in scene.snapshot.nodes:
        apart = node.rejoin is not None and node.rejoin.action in _APART
        if node.name != source and (apart or node.state is NodeState.DIVERGED):
            yield node.name


def _source(choice: Choice) -> Check:
    name = "a primary to follow"
    if choice.source is None:
        several = len(choice.primaries) > 1
        evidence = f"{' and '.join(choice.primaries)} both accept writes" if several else "no primary answers"
        remedy = "say whose line is the truth: source=NODE" if several else "start or promote one"
        return Check(name, Verdict.REFUSAL, evidence, remedy)
    if choice.source not in choice.primaries:
        return Check(
            name, Verdict.REFUSAL, f"{choice.source} does not answer as a primary", "name one with source=NODE"
        )
    return Check(name, Verdict.OK, choice.source)


def _node(scene: Scene, choice: Choice) -> Check:
    name = "a node to bring back"
    if choice.node is None:
        evidence = f"{', '.join(choice.nodes)} could be meant" if choice.nodes else "every node follows the primary"
        return Check(name, Verdict.REFUSAL, evidence, "name it: node=NODE" if choice.nodes else "")
    if choice.node == choice.source:
        return Check(name, Verdict.REFUSAL, f"{choice.node} cannot follow itself", "name another with node=NODE")
    node = scene.snapshot.node(choice.node)
    if node is not None and node.state is NodeState.STREAMING and choice.node not in choice.nodes:
        return Check(name, Verdict.REFUSAL, f"{choice.node} streams already", "nothing is to be done")
    return Check(name, Verdict.OK, choice.node)


def _verdict(scene: Scene, node: str, source: str) -> Check:
    found = _judged(scene, node, source)
    if found is None or found.action is RejoinAction.UNKNOWN:
        why = "" if found is None else f": {found.reason}"
        return Check("the way back", Verdict.WARNING, f"known once {node} has stopped and its WAL is read{why}")
    verdict = Verdict.OK if found.action in WAYS else Verdict.REFUSAL
    return Check("the way back", verdict, f"{found.action}: {found.reason}")


def _judged(scene: Scene, node: str, source: str) -> Judgement | None:
    if scene.lab.is_running(node):
        sampled = scene.snapshot.node(node)
        return sampled.rejoin if sampled is not None else None
    if mending.is_unfinished(scene.lab, node):
        return INTERRUPTED
    try:
        return verdict_on(scene.lab, node, source)
    except PgReplTermError:
        return None


def _followers(scene: Scene, node: str) -> Check:
    below = mending.running_below(scene.lab, node)
    if not below:
        return Check("its followers", Verdict.OK, f"nobody streams from {node}")
    evidence = f"{', '.join(below)} stop with it, and are copied anew where they have followed it past the fork"
    return Check("its followers", Verdict.WARNING, evidence)
