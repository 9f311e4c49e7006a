"""What a condition is, and what most of them share.

Owns: that contract, the keys that name nodes, and asking each of several nodes. Must not: be a condition.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pgreplterm.cluster.model import ClusterSnapshot, Node
from pgreplterm.drill.scenario.keys import NODE, NODES, Key, number

if TYPE_CHECKING:
    from pgreplterm.drill.scenario.session import Session

Options = Mapping[str, Any]
Evidence = Callable[[ClusterSnapshot], str | None]

AT_STANDBYS = {"at": Key(NODES, "which nodes", default="standbys")}
AT = {"at": Key(NODES, "which node", required=True)}
AT_PRIMARY = {"at": Key(NODE, "which node", default="primary")}
LEAST = Key(number(1, 10_000, whole=True), "so many, or more", default=1)


@dataclass(frozen=True, slots=True)
class Condition:
    """begin is asked when the wait begins, and gives what is asked of each snapshot: the evidence once it holds.

    asks_servers is for one that sends SQL itself and is therefore asked less often.
    """

    name: str
    meaning: str
    keys: Mapping[str, Key]
    begin: Callable[[Session, Mapping[str, Any]], Evidence]
    asks_servers: bool = False


def every(
    session: Session, word: str, holds: Callable[[ClusterSnapshot, Node], str | None], answering: bool = True
) -> Evidence:
    """Holds for every node that the word means, by what they said after the wait had begun."""
    names = session.nodes(word)
    began = time.time()

    def evidence(snapshot: ClusterSnapshot) -> str | None:
        found = []
        for name in names:
            node = snapshot.node(name)
            if node is None or snapshot.taken_at < began or (answering and not has_said(node, began)):
                return None
            said = holds(snapshot, node)
            if said is None:
                return None
            found.append(said)
        return "; ".join(found)

    return evidence


def has_said(node: Node, since: float) -> bool:
    """Whether its newest answer is from after that moment."""
    return node.failure is None and node.sample is not None and node.sample.taken_at >= since
