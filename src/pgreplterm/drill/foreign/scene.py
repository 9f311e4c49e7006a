"""A cluster we do not own, as it is before a drill.

Owns: the first look through read-only sessions, stable names for its nodes, and the name one has to type.
Must not: change anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from pgreplterm.cluster.connecting.connect import Target, targets
from pgreplterm.cluster.model import ClusterSnapshot, Node, NodeState
from pgreplterm.cluster.words import printable
from pgreplterm.drill.preflight.facts import Facts, NodeFacts
from pgreplterm.drill.preflight.reading import read_node
from pgreplterm.drill.watch import Watch
from pgreplterm.errors import PgReplTermError

INTERVAL = 0.2
_PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Scene:
    """targets are by node name; arguments are what was asked for."""

    targets: Mapping[str, Target]
    snapshot: ClusterSnapshot
    facts: Facts
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def primary(self) -> Node | None:
        """The one that answers as a primary; None when none or several do."""
        found = self.snapshot.primaries
        return found[0] if len(found) == 1 else None

    @property
    def lost(self) -> str | None:
        """The node taken for the lost primary: the one named, or else the only one that does not answer."""
        if self.arguments.get("primary"):
            return self.node(self.arguments["primary"]).name
        quiet = [node.name for node in self.snapshot.nodes if node.failure is not None]
        return quiet[0] if len(quiet) == 1 else None

    @property
    def cluster(self) -> str:
        """The name to be typed: cluster_name where all share one, else that of the primary as shown."""
        names = {node.sample.cluster_name for node in self.snapshot.nodes if node.sample is not None}
        if len(names) == 1 and len(self.snapshot.nodes) > 1 and (name := names.pop()):
            return printable(name)
        leader = self.primary.name if self.primary is not None else self.lost
        return printable(leader or self.snapshot.nodes[0].name)

    def node(self, name: str) -> Node:
        """Raises PgReplTermError naming the nodes there are."""
        found = self.snapshot.node(name)
        if found is None:
            there = ", ".join(printable(node.name) for node in self.snapshot.nodes)
            raise PgReplTermError(f"expected a node of this cluster ({there}), found {name!r}.")
        return found

    def followers(self, name: str | None) -> tuple[Node, ...]:
        """The standbys whose upstream that node is."""
        return tuple(node for node in self.snapshot.nodes if name is not None and node.upstream == name)

    def left_alone(self, lost: str) -> tuple[Node, ...]:
        """The standbys that answer and stream from nobody: the lost primary's, as far as can be seen without it."""
        return tuple(
            node
            for node in self.snapshot.nodes
            if node.name != lost
            and node.failure is None
            and node.sample is not None
            and node.sample.in_recovery
            and node.state is not NodeState.STREAMING
        )

    def folder(self, name: str) -> str:
        """Its data directory; in capitals where nobody could be asked."""
        return (
            self.arguments.get("data") or self.facts.of(name).setting("data_directory") or f"DATA_DIRECTORY_OF_{name}"
        )


def look(dsns: Sequence[str], arguments: Mapping[str, str]) -> Scene:
    """Every node of those DSNs as it is. Raises WrongDSN, PgReplTermError, and DrillFailed when nobody answers."""
    given = targets(dsns)
    with Watch(given, INTERVAL) as watch:
        snapshot = watch.until(
            lambda now: len(now.nodes) >= len(given) and all(node.sample or node.failure for node in now.nodes),
            "every node to answer, or fail to",
            _PATIENCE,
        )
    odd = [printable(node.name) for node in snapshot.nodes if printable(node.name) != node.name]
    if odd:
        raise PgReplTermError(f"expected names that can be printed, found {', '.join(odd)}; nothing was done.")
    by_address = {target.address: target for target in given}
    named: dict[str, Target] = {}
    for node in snapshot.nodes:
        if node.address in by_address:
            named[node.name] = replace(by_address[node.address], name=node.name, has_alias=True)
    strangers = [printable(node.name) for node in snapshot.nodes if node.name not in named]
    if strangers:
        raise PgReplTermError(
            f"expected a DSN for each node, found {', '.join(strangers)} through its neighbours alone; name it, too."
        )
    facts = _facts(named, snapshot)
    _refuse_lab(facts)
    return Scene(named, snapshot, facts, arguments)


def _refuse_lab(facts: Facts) -> None:
    """A lab's nodes keep their settings in files of the lab, which ALTER SYSTEM would win over for ever."""
    from pgreplterm.lab.lab import Lab

    folders = {known.setting("data_directory") for known in facts.nodes.values()}
    for lab in Lab.find_all():
        if any(node.data_directory in folders for node in lab.nodes):
            raise PgReplTermError(
                f"these are servers of lab {lab.name!r}: expected --lab {lab.name} instead of DSNs; nothing was done."
            )


def _facts(named: Mapping[str, Target], snapshot: ClusterSnapshot) -> Facts:
    answering = [node.name for node in snapshot.nodes if node.failure is None]
    with ThreadPoolExecutor(max_workers=4) as pool:
        read = dict(zip(answering, pool.map(lambda name: _read(named[name]), answering), strict=True))
    return Facts(nodes=read, owned=False)


def _read(target: Target) -> NodeFacts:
    from pgreplterm.cluster.connecting.ask import asking

    try:
        with asking(target) as ask:
            return read_node(ask)
    except PgReplTermError as error:
        return NodeFacts(reason=printable(str(error)))
