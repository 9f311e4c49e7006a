"""Lanes and standings as rows.

Owns: the drawing, which is a scheme: places on it are in LSN order, not to scale.
Must not: compare histories.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgreplterm.cluster import words
from pgreplterm.cluster.forks.lineage import Relation
from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.tui.chrome import coarse
from pgreplterm.tui.glyphs import Glyphs
from pgreplterm.tui.ink import BLANK, Ink, Row, Span, cell, row, wrap
from pgreplterm.tui.timelines.lanes import Lane, Standing, Tip, lanes, sentence, standings
from pgreplterm.wal.lsn import LSN

LABEL = 8
STANDING_INKS = {Relation.DIVERGED: Ink.CRITICAL, Relation.UNKNOWN: Ink.WARNING, Relation.UNRELATED: Ink.WARNING}
LABELLED = 44  # cells kept at the right for the words at a lane's end


def timeline_rows(snapshot: ClusterSnapshot, width: int, glyphs: Glyphs) -> list[Row]:
    """The drawing, the forks, and how each node stands."""
    known = lanes(snapshot)
    rows = [row((" LANES", Ink.BOLD), ("   in LSN order, not to scale", Ink.DIM))]
    rows += lane_rows(known, width, glyphs) if known else [row(" No timeline is known yet.")]
    rows += [BLANK, row((" FORKS", Ink.BOLD))]
    forked = [lane for lane in known if lane.fork is not None]
    rows += [_fork_row(lane) for lane in forked] or [row((" None: every node is on one timeline.", Ink.DIM))]
    heading = f" {cell('NODE', 12)}{cell('TL', 4)}{cell('POSITION', 19)}BESIDE THE REFERENCE"
    rows += [BLANK, row((heading, Ink.BOLD))]
    for standing in standings(snapshot):
        rows += _standing_rows(standing, width)
    return rows


def lane_rows(known: Sequence[Lane], width: int, glyphs: Glyphs) -> list[Row]:
    """One row a lane: a line from where it began to where its nodes are, with its children's forks on it."""
    places = _places(known, max(width - LABEL - LABELLED, 8))
    rows = []
    for lane in known:
        start = places[lane.fork.lsn] if lane.fork is not None else 0
        children = [places[child.fork.lsn] for child in known if child.fork and child.fork.parent == lane.timeline]
        tip = places[lane.tip.lsn] if lane.tip is not None and lane.tip.lsn is not None else start
        end = max(tip, start, *children) if children else max(tip, start)
        line = [glyphs.lane] * (end - start + 1)
        if lane.fork is not None:
            line[0] = glyphs.turn
        for child in children:
            line[child - start] = glyphs.fork
        parts: list[str | Span] = [f" {cell(f'TL {lane.timeline}', LABEL - 1)}", " " * start]
        parts.append(("".join(line), Ink.HEALTHY if lane.tip is not None and lane.tip.answering else Ink.DIM))
        parts += _tip_spans(lane.tip, glyphs)
        rows.append(row(*parts))
    return rows


def _tip_spans(tip: Tip | None, glyphs: Glyphs) -> list[Span]:
    if tip is None:
        return [(" left by all", Ink.DIM)]
    glyph = glyphs.tip if tip.answering else glyphs.down
    where = str(tip.lsn) if tip.lsn is not None else "?"
    ink = Ink.PLAIN if tip.answering else Ink.WARNING
    return [(f"{glyph} ", Ink.HEALTHY if tip.answering else Ink.CRITICAL), (f"{where} {', '.join(tip.names)}", ink)]


def _places(known: Sequence[Lane], width: int) -> dict[LSN, int]:
    """A column for every LSN that matters, in order, evenly spread over width cells."""
    marks = {lane.fork.lsn for lane in known if lane.fork is not None}
    marks |= {lane.tip.lsn for lane in known if lane.tip is not None and lane.tip.lsn is not None}
    ordered = sorted(marks)
    step = max(width // max(len(ordered), 1), 2)
    return {lsn: min((number + 1) * step, width - 1) for number, lsn in enumerate(ordered)}


def _fork_row(lane: Lane) -> Row:
    assert lane.fork is not None
    arrow = f"TL {lane.fork.parent} -> {lane.timeline}"
    return row(f" {cell(arrow, 12)}{cell(str(lane.fork.lsn), 19)} ", (lane.fork.reason, Ink.DIM))


def _standing_rows(standing: Standing, width: int) -> list[Row]:
    node, seen = standing.node, standing.comparison
    position = node.sample.position if node.sample is not None else None
    timeline = str(node.timeline) if node.timeline is not None else "?"
    text = sentence(standing, words.size_in_words(seen.beyond) if seen and seen.beyond is not None else "?")
    if node.failure is not None and node.sample_age is not None:
        text += f" (last seen {coarse(node.sample_age)} ago)"
    ink = STANDING_INKS.get(seen.relation, Ink.PLAIN) if seen is not None else Ink.DIM
    facts = f" {cell(node.name, 11)} {cell(timeline, 4)}{cell(str(position) if position is not None else '?', 18)} "
    first, *more = wrap(text, max(width - len(facts), 20), ink)
    return [row(facts, *first), *(row(" " * len(facts), *line) for line in more)]
