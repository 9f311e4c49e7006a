"""What a measure may look at: the stage of the run, its track, its marks so far, and every node by SQL.

Owns: naming nodes ("primary", "standbys", a name), moments ("fault", a stage's name), and asking a node.
Must not: measure.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pgreplterm.cluster.connecting.connect import Target, named_target
from pgreplterm.cluster.model import ClusterSnapshot, Node
from pgreplterm.drill.figures import Mark
from pgreplterm.drill.measure.track import Track
from pgreplterm.drill.stage import Stage
from pgreplterm.errors import DrillFailed
from pgreplterm.lab.lab import Lab

_PRIMARY_WITHIN = 3.0  # seconds: on a busy machine a tick may pass without its answer
_FRESH_WITHIN = 2.0  # seconds: a frozen node counts as silent after one

Row = tuple[Any, ...]

START = "start"
"""The moment the track begins, as a word for ``since``."""


@dataclass(frozen=True, slots=True)
class Window:
    """From one moment to another, epoch seconds, and the name of the stage between them."""

    name: str
    since: float
    until: float

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.until - self.since


@dataclass(frozen=True, slots=True)
class Context:
    """One moment of a run. marks are all there were, in order; now is epoch seconds.

    journals are those of every client there was, where the run had more than those the stage knows.
    """

    stage: Stage
    track: Track
    marks: Sequence[Mark] = ()
    now: float = field(default_factory=time.time)
    journals: Sequence[Path] = ()

    @property
    def probes(self) -> tuple[Path, ...]:
        """The journals of all clients so far."""
        return tuple(dict.fromkeys((*self.journals, *self.stage.journals)))

    @property
    def snapshot(self) -> ClusterSnapshot:
        """The newest."""
        return self.stage.watch.newest()

    def fresh(self) -> ClusterSnapshot:
        """The first in which every node that answers was asked after this measure began; the newest if none comes."""

        def is_fresh(snapshot: ClusterSnapshot) -> bool:
            asked = [
                node.sample.taken_at for node in snapshot.nodes if node.sample is not None and node.failure is None
            ]
            return snapshot.taken_at >= self.now and all(at >= self.now for at in asked)

        try:
            return self.stage.until(is_fresh, "a new look at every node", _FRESH_WITHIN)
        except DrillFailed:
            return self.snapshot

    def primary(self) -> Node:
        """The one node that takes writes. Raises DrillFailed when there is none for a while, or more than one."""
        try:
            return self.stage.until(lambda now: len(now.primaries) == 1, "one primary", _PRIMARY_WITHIN).primaries[0]
        except DrillFailed:
            names = ", ".join(node.name for node in self.snapshot.primaries) or "none"
            raise DrillFailed(f"expected one primary to measure on, found {names}; name the node.") from None

    def node(self, word: str) -> str:
        """The one node that a word means. Raises DrillFailed."""
        found = self.nodes(word)
        if len(found) != 1:
            raise DrillFailed(f"expected one node, found {word!r}, which is {', '.join(found) or 'none'}.")
        return found[0]

    def running(self, word: str) -> tuple[str, ...]:
        """Those of ``nodes`` that run and are not frozen. Raises DrillFailed."""
        return tuple(name for name in self.nodes(word) if _answers(self.stage.lab, name))

    def nodes(self, word: str) -> tuple[str, ...]:
        """The nodes that a word means: "primary", "standbys" (all others), "all", or a name. Raises DrillFailed."""
        lab = self.stage.lab
        names = tuple(node.name for node in lab.nodes)
        if word == "primary":
            return (self.primary().name,)
        if word in ("all", "standbys"):
            leaders = {node.name for node in self.snapshot.primaries} or {
                node.name for node in lab.nodes if node.upstream is None
            }
            return names if word == "all" else tuple(name for name in names if name not in leaders)
        if word not in names:
            raise DrillFailed(f"expected primary, standbys, all or a node ({', '.join(names)}), found {word!r}.")
        return (word,)

    def moment(self, word: str) -> float:
        """When it was: "start", "fault" or "heal" (the last), the name of a stage, or a mark's text.

        Raises DrillFailed naming the marks there were.
        """
        if word == START:
            return self.track.began_at or self.now
        kinds = [mark.at for mark in self.marks if mark.kind == word and word != "stage"]
        texts = [mark.at for mark in self.marks if mark.text == word]
        found = kinds or texts
        if not found:
            there = ", ".join(dict.fromkeys(mark.text for mark in self.marks)) or "none"
            raise DrillFailed(f"expected start, fault, heal or a stage there was, found {word!r}; there were {there}.")
        return found[-1]

    def window(self, word: str) -> Window:
        """A stage from its beginning to the next one's; a fault, a heal or the start until now. Raises DrillFailed."""
        for window in self.stages():
            if window.name == word:
                return window
        return Window(word, self.moment(word), self.now)

    def stages(self) -> tuple[Window, ...]:
        """All of them, the last until now."""
        begun = [(mark.text, mark.at) for mark in self.marks if mark.kind == "stage"]
        ends = [*(at for _, at in begun[1:]), self.now]
        return tuple(Window(name, at, end) for (name, at), end in zip(begun, ends, strict=False))

    def target(self, node: str) -> Target:
        """How the cluster room reaches a node."""
        return named_target(node, self.stage.lab.dsn(node))

    def ask(self, node: str, statement: str, *parameters: object) -> list[Row]:
        """The rows of one statement on a node. Raises LabError, CannotConnect."""
        with self.talk(node) as link:
            return list(link.execute(statement, parameters or None).fetchall())

    def value(self, node: str, statement: str, *parameters: object) -> Any:
        """The first column of its first row, None without one. Raises LabError, CannotConnect."""
        rows = self.ask(node, statement, *parameters)
        return rows[0][0] if rows else None

    @contextmanager
    def talk(self, node: str) -> Iterator[Any]:
        """A connection as superuser that no statement timeout ends, for several statements."""
        with self.stage.lab.connection(node) as link:
            link.execute("SET statement_timeout = 0")
            yield link

    @property
    def major(self) -> int:
        """The servers' major version."""
        return self.stage.lab.state.major


def _answers(lab: Lab, node: str) -> bool:
    return lab.is_running(node) and not lab.is_frozen(node)
