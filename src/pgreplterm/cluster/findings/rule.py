"""What a rule is, what it is asked about, and what it answers.

Owns: Severity, Rule, Finding, and the View a condition looks at. Must not: hold a rule, or a threshold's value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from pgreplterm.cluster.model import ClusterSnapshot, Node, NodeSample, NodeState, Role
from pgreplterm.cluster.thresholds import Thresholds


class Severity(IntEnum):
    """How bad, in rising order; unknown is worse than ok, and a piece of information is no alarm."""

    OK = 0
    INFO = 1
    UNKNOWN = 2
    WARNING = 3
    CRITICAL = 4


@dataclass(frozen=True, slots=True)
class Hit:
    """What a condition found: the node (None: the whole cluster), a sentence without its full stop, the figures."""

    severity: Severity
    node: str | None
    sentence: str
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What a condition looks at. earlier are the snapshots of the watched window before this one, oldest first."""

    snapshot: ClusterSnapshot
    limits: Thresholds
    earlier: tuple[ClusterSnapshot, ...] = ()

    @property
    def answering(self) -> Iterator[tuple[Node, NodeSample]]:
        """The nodes whose newest attempt gave a sample, with it."""
        for node in self.snapshot.nodes:
            if node.sample is not None and node.failure is None:
                yield node, node.sample

    @property
    def primaries(self) -> Iterator[tuple[Node, NodeSample]]:
        """Those that answer as primaries."""
        return ((node, sample) for node, sample in self.answering if node.role is Role.PRIMARY)

    @property
    def standbys(self) -> Iterator[tuple[Node, NodeSample]]:
        """Those that answer as anything else."""
        return ((node, sample) for node, sample in self.answering if node.role is not Role.PRIMARY)

    @property
    def following(self) -> Iterator[tuple[Node, NodeSample]]:
        """Standbys that stream or catch up: those whose lag means something."""
        moving = (NodeState.STREAMING, NodeState.CATCHUP)
        return ((node, sample) for node, sample in self.standbys if node.state in moving)


Condition = Callable[[View], Iterator[Hit]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of fault: a stable id, how bad it can be, its condition, and what to tell about it.

    meaning and action are sentences; mysql is what the same thing is called there. settles is how many seconds the
    condition must have been watched before it counts for a one-shot check: what heals by itself within is no fault.
    """

    id: str
    severities: tuple[Severity, ...]
    condition: Condition
    meaning: str
    action: str
    mysql: str
    settles: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault seen: severity, the node it is about (None: the whole cluster), a sentence without its full stop.

    rule is the id of the rule that found it, which has the texts (``findings.rule_of``); evidence are the figures
    behind it, with their age.
    """

    severity: Severity
    node: str | None
    sentence: str
    rule: str
    evidence: str = ""
