"""What is known of the watched nodes: the raw material of a snapshot.

Owns: the pairing of a node's newest sample with its newest failure, display names, and one tick's whole input.
Must not: connect or judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pgreplterm.cluster.model import ClusterSnapshot, NodeFailure, NodeSample
from pgreplterm.cluster.trail import Trail


@dataclass(frozen=True, slots=True)
class Observation:
    """A node as sampling left it. sample is the newest there is, however old; failure is None after a success.

    overdue: it has been asked again and has not answered yet, so what sample says may be over.
    """

    name: str
    address: str
    sample: NodeSample | None = None
    failure: NodeFailure | None = None
    has_alias: bool = False
    overdue: bool = False

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
    return tuple(name if counts[name] == 1 else seen.name for name, seen in zip(wanted, observations, strict=True))


@dataclass(frozen=True, slots=True)
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
