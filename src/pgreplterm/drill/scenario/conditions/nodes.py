"""Conditions about what nodes are: up, streaming, primary.

Owns: these conditions. Must not: wait.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pgreplterm.cluster.model import ClusterSnapshot, Node, NodeState
from pgreplterm.cluster.words import printable
from pgreplterm.drill.scenario.conditions.condition import (
    AT,
    AT_STANDBYS,
    LEAST,
    Condition,
    Evidence,
    Options,
    every,
    has_said,
)
from pgreplterm.drill.scenario.keys import NODE, Key, number, one_of

if TYPE_CHECKING:
    from pgreplterm.drill.scenario.session import Session

GONE = (NodeState.DOWN, NodeState.SILENT, NodeState.STARTING)
STATES = tuple(str(state) for state in NodeState)


def _streaming(session: Session, options: Options) -> Evidence:
    return every(
        session,
        options["at"],
        lambda _, node: f"{node.name} streams" if node.state is NodeState.STREAMING else None,
    )


def _not_streaming(session: Session, options: Options) -> Evidence:
    return every(
        session,
        options["at"],
        lambda _, node: f"{node.name} is {node.state}" if node.state is not NodeState.STREAMING else None,
        answering=False,
    )


def _state(session: Session, options: Options) -> Evidence:
    wanted = options["is"]
    return every(
        session, options["at"], lambda _, node: f"{node.name} is {wanted}" if node.state == wanted else None, False
    )


def _down(session: Session, options: Options) -> Evidence:
    def gone(_: ClusterSnapshot, node: Node) -> str | None:
        if node.failure is None or node.state not in GONE:
            return None
        return f"{node.name} is {node.state}: {printable(node.failure.reason)}"

    return every(session, options["at"], gone, answering=False)


def _up(session: Session, options: Options) -> Evidence:
    def answers(_: ClusterSnapshot, node: Node) -> str | None:
        fresh = node.sample is not None and node.state not in (*GONE, NodeState.STALE, NodeState.UNKNOWN)
        return f"{node.name} answers" if fresh else None

    return every(session, options["at"], answers)


def _primary(session: Session, options: Options) -> Evidence:
    name, began = session.node(options["at"]), time.time()

    def leads(snapshot: ClusterSnapshot) -> str | None:
        found = [node.name for node in snapshot.primaries if has_said(node, began)]
        return f"{name} is the primary" if found == [name] else None

    return leads


def _primaries(_: Session, options: Options) -> Evidence:
    began = time.time()

    def counted(snapshot: ClusterSnapshot) -> str | None:
        if snapshot.taken_at < began:
            return None
        found = [node.name for node in snapshot.primaries if has_said(node, began)]
        return f"{', '.join(found) or 'nobody'} takes writes" if len(found) == options["count"] else None

    return counted


def _timeline(session: Session, options: Options) -> Evidence:
    def on(_: ClusterSnapshot, node: Node) -> str | None:
        known = node.timeline is not None and node.timeline >= options["least"]
        return f"{node.name} is on timeline {node.timeline}" if known else None

    return every(session, options["at"], on)


CONDITIONS: tuple[Condition, ...] = (
    Condition("streaming", "these standbys stream", AT_STANDBYS, _streaming),
    Condition("not-streaming", "these nodes do not stream, for whatever reason", AT, _not_streaming),
    Condition(
        "state",
        "a node is in a state, as `status` calls it",
        {**AT, "is": Key(one_of(*STATES), "the state", required=True)},
        _state,
    ),
    Condition("down", "a node does not answer: refused, silent, or starting", AT, _down),
    Condition("up", "a node answers", AT, _up),
    Condition("primary", "this node, and no other, takes writes", {"at": Key(NODE, "which", required=True)}, _primary),
    Condition(
        "primaries",
        "so many nodes take writes: two are a split brain",
        {"count": Key(number(0, 12, whole=True), "how many", required=True)},
        _primaries,
    ),
    Condition("timeline", "a node is on this timeline or a later one", {**AT, "least": LEAST}, _timeline),
)
