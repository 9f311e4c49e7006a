"""What is known of the watched nodes: the raw material of a snapshot.

Owns: the pairing of a node's newest sample with its newest failure, display names, and one tick's whole input.
Must not: connect or judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pgreplterm.cluster.joining.trail import Trail
from pgreplterm.cluster.model import ClusterSnapshot, Link, Node, NodeFailure, NodeSample


@dataclass(frozen=True, slots=True)
class Observation:
    """A node as sampling left it. sample is the newest there is, however old; failure is None after a success.

    overdue: it has been asked again and has not answered yet, so what sample says may be over. discovered: found
    through a neighbour. receiver_port: the local port of its walreceiver, where that is a process of this machine.
    """

    name: str
    address: str
    sample: NodeSample | None = None
    failure: NodeFailure | None = None
    has_alias: bool = False
    overdue: bool = False
    discovered: bool = False
    receiver_port: int | None = None

    @property
    def answers(self) -> bool:
        """True when the newest attempt that ended gave a sample."""
        return self.sample is not None and self.failure is None


def named(observations: Sequence[Observation]) -> tuple[str, ...]:
    """A display name for each: its alias, else the server's cluster_name when no other node has it, else host:port."""
    wanted = [
        seen.name if seen.has_alias or seen.sample is None else seen.sample.cluster_name or seen.name
        for seen in observations
    ]
    counts = Counter(wanted)
    names = [name if counts[name] == 1 else seen.name for name, seen in zip(wanted, observations, strict=True)]
    counts = Counter(names)
    return tuple(name if counts[name] == 1 else seen.address for name, seen in zip(names, observations, strict=True))


def each_server_once(observations: Sequence[Observation]) -> tuple[Observation, ...]:
    """Without servers that an earlier address reached too; the address that answers now stands for both."""
    kept: list[Observation] = []
    places: dict[Identity, int] = {}
    for seen in observations:
        who = None if seen.sample is None else identity(seen.sample)
        place = places.get(who) if who is not None else None
        if place is None:
            if who is not None:
                places[who] = len(kept)
            kept.append(seen)
        elif seen.answers and not kept[place].answers:
            kept[place] = seen
    return tuple(kept)


Identity = tuple[int, float, int, str]


def identity(sample: NodeSample) -> Identity:
    """What tells one postmaster from every other: all copies of a cluster share its system_identifier."""
    return sample.system_identifier, sample.postmaster_started_at, sample.port, sample.cluster_name


@dataclass(frozen=True)
class Tick:
    """Everything one join reads: all observations at one instant, and what earlier ticks left behind."""

    seen: tuple[Observation, ...]
    names: tuple[str, ...]
    now: float
    trail: Trail
    previous: ClusterSnapshot | None

    def answer(self, index: int) -> NodeSample | None:
        """The sample of a node that answers; None for one that does not, however much it said before."""
        return self.seen[index].sample if self.seen[index].answers else None

    def index_of(self, name: str | None) -> int | None:
        """The place of the node of that name, None if none has it."""
        return None if name is None else self._places.get(name)

    def node_before(self, name: str) -> Node | None:
        """The node of that name a tick ago."""
        return self._nodes_before.get(name)

    def link_before(self, downstream: str) -> Link | None:
        """The link that fed that node a tick ago."""
        return self._links_before.get(downstream)

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {name: index for index, name in enumerate(self.names)}

    @cached_property
    def _nodes_before(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.previous.nodes} if self.previous is not None else {}

    @cached_property
    def _links_before(self) -> Mapping[str, Link]:
        return {link.downstream: link for link in reversed(self.previous.links)} if self.previous is not None else {}
