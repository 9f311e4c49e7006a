"""Topology and lag in one table: the tree is the first column.

Owns: the columns at each width, the tree, and the ink of each cell.
Must not: judge or compute; words and gaps come from the cluster room, and an unknown stays ``?``.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgreplterm.cluster import words
from pgreplterm.cluster.model import ClusterSnapshot, Node, NodeState, Role
from pgreplterm.tui.chrome import coarse
from pgreplterm.tui.glyphs import Glyphs
from pgreplterm.tui.ink import Ink, Row, Span, cell, row


@dataclass(frozen=True, slots=True)
class Column:
    """One column after the tree: its title, its width in cells, on which side its text is."""

    title: str
    width: int
    right: bool = False


ROLE, STATE = Column("ROLE", 9), Column("STATE", 16)
SYNC, TIMELINE = Column("SYNC", 7), Column("TL", 3, True)
UNSENT, FLUSH = Column("UNSENT", 8, True), Column("FLUSH", 8, True)
REPLAY, TIME = Column("REPLAY", 8, True), Column("TIME", 7, True)
ALL = (ROLE, STATE, SYNC, TIMELINE, UNSENT, FLUSH, REPLAY, TIME)
DROPPED = (FLUSH, SYNC, ROLE, UNSENT, TIMELINE, TIME)  # what goes first when it gets narrow
_FIGURE_INKS = {words.UNKNOWN: Ink.WARNING, words.NOT_APPLICABLE: Ink.DIM, words.IDLE: Ink.DIM}
TREE_LEAST, TREE_MOST = 12, 30


def columns_at(width: int) -> tuple[Column, ...]:
    """The columns that fit in width cells beside the tree."""
    kept = list(ALL)
    for column in DROPPED:
        if TREE_LEAST + 2 + sum(each.width for each in kept) <= width:
            break
        kept.remove(column)
    return tuple(kept)


def table_rows(snapshot: ClusterSnapshot, width: int, glyphs: Glyphs) -> list[Row]:
    """A heading and one row a node, in topology order."""
    shown = columns_at(width)
    tree = max(min(width - 2 - sum(column.width for column in shown), TREE_MOST), TREE_LEAST)
    heading = " " + cell("NODE", tree) + "".join(_cell(column, column.title) for column in shown)
    rows = [row((heading, Ink.BOLD))]
    for node, prefix in zip(snapshot.nodes, branches(snapshot, glyphs), strict=True):
        cells = node_cells(snapshot, node, glyphs)
        spans = [(_cell(column, cells[column][0]), cells[column][1]) for column in shown]
        rows.append(row(" ", (prefix, Ink.DIM), cell(node.name, tree - len(prefix)), *spans))
    return rows


def branches(snapshot: ClusterSnapshot, glyphs: Glyphs) -> list[str]:
    """The tree lines before each node's name; a node with no known upstream stands at the left."""
    names = [node.name for node in snapshot.nodes]
    parents = [node.upstream if node.upstream in names else None for node in snapshot.nodes]
    prefixes: dict[str, str] = {}
    drawn = []
    for place, (name, parent) in enumerate(zip(names, parents, strict=True)):
        if parent is None or parent not in prefixes:
            prefixes[name] = ""
            drawn.append("")
            continue
        last = parent not in parents[place + 1 :]
        drawn.append(prefixes[parent] + (glyphs.last_branch if last else glyphs.branch))
        prefixes[name] = prefixes[parent] + (" " * len(glyphs.trunk) if last else glyphs.trunk)
    return drawn


def node_cells(snapshot: ClusterSnapshot, node: Node, glyphs: Glyphs) -> dict[Column, Span]:
    """The text and ink of every column for one node."""
    link = snapshot.link_to(node.name)
    timeline = str(node.timeline) if node.timeline is not None else "?"
    cells = {
        ROLE: (str(node.role) if node.role is not Role.UNKNOWN else "?", Ink.PLAIN),
        STATE: state_span(node, glyphs, snapshot.taken_at),
        SYNC: (words.sync_cell(node, link), Ink.PLAIN),
        TIMELINE: (timeline, Ink.PLAIN),
    }
    for column, text in zip((UNSENT, FLUSH, REPLAY, TIME), words.lag_cells(node, link), strict=True):
        cells[column] = (text, _FIGURE_INKS.get(text, Ink.PLAIN))
    return cells


def state_span(node: Node, glyphs: Glyphs, now: float) -> Span:
    """Glyph and word, with the age of a trouble; now in seconds since the epoch."""
    glyph, ink = {
        NodeState.RUNNING: (glyphs.healthy, Ink.HEALTHY),
        NodeState.STREAMING: (glyphs.healthy, Ink.HEALTHY),
        NodeState.CATCHUP: (glyphs.partial, Ink.WARNING),
        NodeState.STARTUP: (glyphs.partial, Ink.WARNING),
        NodeState.BACKUP: (glyphs.partial, Ink.WARNING),
        NodeState.STARTING: (glyphs.partial, Ink.WARNING),
        NodeState.NOT_STREAMING: (glyphs.broken, Ink.CRITICAL),
        NodeState.DIVERGED: (glyphs.broken, Ink.CRITICAL),
        NodeState.STALE: (glyphs.stale, Ink.WARNING),
        NodeState.DOWN: (glyphs.down, Ink.CRITICAL),
        NodeState.SILENT: (glyphs.stale, Ink.CRITICAL),
        NodeState.UNKNOWN: (glyphs.unknown, Ink.WARNING),
    }[node.state]
    if node.failure is None:
        return f"{glyph} {node.state}", ink
    gone_for = node.sample_age if node.sample_age is not None else now - node.failure.since
    return f"{glyph} {node.state} {coarse(max(gone_for, 0.0))}", ink


def _cell(column: Column, text: str) -> str:
    return cell(text, column.width, right=True) if column.right else cell(text, column.width - 1) + " "
