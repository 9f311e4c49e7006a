"""A tree of nodes in one line: ``pg1(pg2(pg4), pg3@30s)``.

Owns: that grammar, and the column of what is wrong in it. Must not: judge the tree (``check``).

    shape := node
    node  := name [ "@" delay ] [ "(" node { "," node } ")" ]
    name  := letters, digits and "_", or "*" for the next of pg1, pg2, ... that is free

What is inside the parentheses streams from the node before them. Spaces mean nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from pgreplterm.cluster.words import printable
from pgreplterm.lab.shape.check import check_node_name, read_delay
from pgreplterm.lab.shape.errors import PlanError, ShapeError
from pgreplterm.lab.shape.plan import MOST_NODES, NodePlan

AUTOMATIC = "*"
_WORD = re.compile(r"[^\s@(),*]+|\*")
_DELAY = re.compile(r"\s*[^\s@(),]*")


def read_shape(text: str) -> tuple[NodePlan, ...]:
    """The nodes, each before those that follow it. Raises ShapeError."""
    return tuple(_named(_Reader(text).nodes()))


def shape_of(nodes: tuple[NodePlan, ...]) -> str:
    """The one-liner of a tree; names and delays, no settings."""

    def below(node: NodePlan) -> str:
        inner = ", ".join(below(other) for other in nodes if other.follows == node.name)
        delay = f"@{node.delay}" if node.delay else ""
        return f"{node.name}{delay}({inner})" if inner else f"{node.name}{delay}"

    return ", ".join(below(node) for node in nodes if node.follows is None)


class _Reader:
    """One pass over the text; the nodes it yields still bear ``*`` and follow a number."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._found: list[tuple[NodePlan, int | None]] = []

    def nodes(self) -> list[tuple[NodePlan, int | None]]:
        """Each node with the number of the one it follows."""
        above: list[int] = []
        while True:
            self._node(above[-1] if above else None)
            mark = self._mark()
            if mark == "(":
                above.append(len(self._found) - 1)
                continue
            while mark == ")" and above:
                above.pop()
                mark = self._mark()
            if mark == "" and not above:
                return self._found
            if mark != "," or not above:
                raise self._wrong("',' or ')'" if above else "the end", mark)

    def _node(self, follows: int | None) -> None:
        self._skip()
        begin = self._at
        word = _WORD.match(self._text, begin)
        if word is None:
            raise self._wrong(f"a node's name or {AUTOMATIC}", self._text[begin : begin + 1], begin)
        if len(self._found) == MOST_NODES:
            raise self._error(f"a lab has at most {MOST_NODES} nodes", begin)
        self._at = word.end()
        node = NodePlan(word[0])
        try:
            if word[0] != AUTOMATIC:
                check_node_name(word[0])
            node = self._delayed(node)
        except PlanError as error:
            raise self._error(str(error), begin) from None
        if any(other.name == word[0] != AUTOMATIC for other, _ in self._found):
            raise self._error(f"two nodes are called {word[0]}", begin)
        self._found.append((node, follows))

    def _delayed(self, node: NodePlan) -> NodePlan:
        self._skip()
        if self._text[self._at : self._at + 1] != "@":
            return node
        delay = _DELAY.match(self._text, self._at + 1)
        assert delay is not None  # it matches nothing, too
        self._at = delay.end()
        return replace(node, delay=read_delay(delay[0]))

    def _mark(self) -> str:
        """The next character that is no space, and past it; empty at the end."""
        self._skip()
        mark = self._text[self._at : self._at + 1]
        self._at += len(mark)
        return mark

    def _skip(self) -> None:
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1

    def _wrong(self, expected: str, found: str, at: int | None = None) -> ShapeError:
        shown = repr(printable(found)) if found else "the end"
        return self._error(f"expected {expected}, found {shown}", self._at - len(found) if at is None else at)

    def _error(self, reason: str, at: int) -> ShapeError:
        picture = f"    {printable(self._text)}\n    {' ' * at}^"
        return ShapeError(f"--shape, column {at + 1}: {reason}\n{picture}", at + 1)


def _named(found: list[tuple[NodePlan, int | None]]) -> Iterator[NodePlan]:
    taken = {node.name for node, _ in found}
    free = (name for number in range(1, 2 * MOST_NODES + 1) if (name := f"pg{number}") not in taken)
    names = [next(free) if node.name == AUTOMATIC else node.name for node, _ in found]
    for name, (node, follows) in zip(names, found, strict=True):
        yield replace(node, name=name, follows=None if follows is None else names[follows])
