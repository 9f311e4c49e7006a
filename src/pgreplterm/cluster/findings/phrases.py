"""Phrases that several rules share.

Owns: how a failure, a list of names and the age of evidence are said. Must not: judge.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgreplterm.cluster.model import Link, Node, NodeState
from pgreplterm.cluster.words import duration_in_words, printable, size_in_words


def listed(names: Sequence[str]) -> str:
    """``a, b and c``; nobody when there is none."""
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1] if names else "nobody"


def counted(number: int, one: str, many: str | None = None) -> str:
    """``1 standby``, ``2 standbys``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def failure_of(node: Node) -> str:
    """What a node that gives no sample does, for how long, and what was said."""
    failure = node.failure
    if failure is None:
        return "has not answered yet"
    age = "" if node.sample_age is None else f" for {duration_in_words(node.sample_age)}"
    match failure.state:
        case NodeState.SILENT:
            return f"is silent{age}"
        case NodeState.DOWN:
            return f"is down{age} ({printable(failure.reason)})"
        case NodeState.STARTING:
            return f"is starting or stopping ({printable(failure.reason)})"
        case _:
            return f"cannot be read ({printable(failure.reason)})"


def gaps_told(link: Link | None) -> str:
    """The byte gaps of a link by stage, and how old the word is that they rest on."""
    if link is None:
        return "no figures"
    stages = (("unsent", link.gaps.unsent), ("flush", link.gaps.flush), ("replay", link.gaps.replay))
    told = ", ".join(f"{name} gap {'unknown' if gap is None else size_in_words(gap)}" for name, gap in stages)
    age = "undated" if link.evidence_age is None else f"{duration_in_words(link.evidence_age)} old"
    return f"{told}; evidence {age}"


def sampled(node: Node) -> str:
    """How old a node's own sample is."""
    return "sample undated" if node.sample_age is None else f"sampled {duration_in_words(node.sample_age)} ago"
