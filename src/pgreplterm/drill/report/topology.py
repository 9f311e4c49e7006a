"""The nodes of a snapshot's document as a tree: who is fed by whom.

Owns: that order and one line a node. Must not: trust the document: it may come from a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pgreplterm.cluster.words import UNKNOWN, printable


@dataclass(frozen=True, slots=True)
class Branch:
    """A node, and how many are above it."""

    depth: int
    name: str
    words: str

    @property
    def line(self) -> str:
        """Both, indented."""
        return f"{'  ' * self.depth}{self.name}  {self.words}"


def branches(snapshot: Mapping[str, Any] | None) -> tuple[Branch, ...]:
    """Every node once: what has no upstream first, each followed by what it feeds."""
    nodes, standing = _nodes(snapshot), _standing(snapshot)
    by_name = {str(node.get("name")): node for node in nodes}
    tops = [name for name, node in by_name.items() if node.get("upstream") not in by_name]
    seen: set[str] = set()

    def below(name: str, depth: int) -> Iterator[Branch]:
        if name in seen:
            return
        seen.add(name)
        yield Branch(depth, printable(name), _words(by_name[name], standing.get(name)))
        for other, node in by_name.items():
            if node.get("upstream") == name:
                yield from below(other, depth + 1)

    return tuple(branch for name in (*tops, *by_name) for branch in below(name, 0))


def shape(snapshot: Mapping[str, Any] | None) -> str | None:
    """The tree without names, ``(()())`` for one with two standbys; None when nothing is known of it."""
    known = branches(snapshot)
    return _fold(known) if known else None


def _fold(tree: Sequence[Branch]) -> str:
    """Children in order of their own shape, so that the same tree under other names is the same text."""
    if not tree:
        return ""
    starts = [place for place, each in enumerate(tree) if each.depth == tree[0].depth]
    parts = [tree[start + 1 : end] for start, end in zip(starts, [*starts[1:], len(tree)], strict=True)]
    return "".join(sorted(f"({_fold(part)})" for part in parts))


def _nodes(snapshot: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    found = (snapshot or {}).get("nodes")
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _standing(snapshot: Mapping[str, Any] | None) -> dict[str, str]:
    """Of each downstream, what pg_stat_replication's sync_state says."""
    found = (snapshot or {}).get("links")
    links = [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
    said = ((str(link.get("downstream")), link.get("sender")) for link in links)
    states = ((name, sender.get("sync_state")) for name, sender in said if isinstance(sender, Mapping))
    return {name: str(state) for name, state in states if state}


def _words(node: Mapping[str, Any], sync: str | None) -> str:
    timeline, position = node.get("timeline"), node.get("position")
    parts = [
        str(node.get("role") or UNKNOWN),
        str(node.get("state") or UNKNOWN),
        *([sync] if sync else []),
        f"timeline {UNKNOWN if timeline is None else timeline}",
        f"at {UNKNOWN if position is None else position}",
    ]
    return printable(", ".join(parts))
