"""Timelines and what became of them: before and after a promotion, and what two branches hold past their fork.

Owns: timelines and divergence. Must not: change either branch, or run while anybody waits for a promotion: both read
WAL.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pgreplterm.cluster.decoded.commits import Lost, lost_past, survey
from pgreplterm.cluster.decoded.diverged import Diverged, Old, diverged, old_at, old_server
from pgreplterm.cluster.decoded.wal_range import wal_of
from pgreplterm.cluster.model import Node, NodeSample
from pgreplterm.cluster.words import printable
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure.context import Context
from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.options import Options, Parameter
from pgreplterm.drill.measure.pattern import Pattern
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.wal.choice import Choice
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.reader import read

_XLOG = 0  # the resource manager of the records that end recovery
_ENDS = ("END_OF_RECOVERY", "CHECKPOINT_SHUTDOWN")
_NEAR = 1 << 20  # bytes behind the fork within which that record lies
_ALIGNMENT = 8

BEFORE = Pattern("timeline_before:NODE", "Timeline of NODE before", "", "of its WAL position, at that moment")
NOW = Pattern(
    "timeline:NODE",
    "Timeline of NODE",
    "",
    "of its WAL position now",
    "the timeline in pg_control, which lags a promotion",
)
PREFIX = Pattern("wal_file_prefix:NODE", "WAL files of NODE begin with", "", "the first 8 digits of its WAL file names")
HISTORY = Pattern(
    "timeline_history", "Timeline history", "", "the primary's history file: timeline, switchpoint, reason"
)
FORK = Pattern("fork_lsn", "Fork LSN", "", "the last switchpoint in that file: the first byte not shared")
JUMP = Pattern(
    "lsn_jump_bytes",
    "LSN jump at the promotion",
    "bytes",
    "from the switchpoint to the end of the record that ended recovery, in the new primary's WAL",
    "lost bytes: it is what the promotion itself wrote",
)

OLD_BYTES = Pattern("divergent_bytes:NODE", "Divergent WAL of NODE", "bytes", "its WAL past the fork, read to its end")
OLD_COMMITS = Pattern("divergent_commits:NODE", "Divergent commits of NODE", "commits", "commit records past the fork")
OLD_ROWS = Pattern(
    "divergent_rows:NODE",
    "Divergent rows of NODE",
    "rows",
    "rows that those commits inserted, updated and deleted in user tables, counted in the WAL",
    "rows that differ: a row changed twice counts twice",
)


def _timelines(context: Context, options: Options) -> tuple[Figure, ...]:
    since = context.moment(options.text("since"))
    figures: list[Figure] = []
    for node in context.fresh().nodes:
        earlier = [line for at, line in context.track.timelines(node.name) if at <= since and line is not None]
        seen = context.track.timelines(node.name)
        before = earlier[-1] if earlier else next((line for _, line in seen if line is not None), None)
        figures += [BEFORE.figure(before, node.name), NOW.figure(node.timeline, node.name)]
        prefix = None if node.timeline is None else f"{node.timeline:08X}"
        figures.append(PREFIX.figure(prefix, node.name))
    return (*figures, *_promotion(context, context.primary()))


def _promotion(context: Context, node: Node) -> Iterator[Figure]:
    history = node.sample.history if node.sample is not None else None
    if history is None or not history.ancestors:
        why = f"{node.name} is on timeline {node.timeline}, without a history"
        yield from (each.figure(None, how=why) for each in (HISTORY, FORK, JUMP))
        return
    lines = [f"{each.timeline} {each.switchpoint} {printable(each.reason)}" for each in history.ancestors]
    fork = history.ancestors[-1].switchpoint
    yield HISTORY.figure("; ".join(lines), how=f"{history.timeline:08X}.history of {node.name}")
    yield FORK.figure(str(fork), how=f"the last switchpoint in {history.timeline:08X}.history of {node.name}")
    try:
        end = _end_of_recovery(context, node, fork)
    except PgReplTermError as error:
        yield JUMP.figure(None, how=f"the WAL behind the fork could not be read: {printable(str(error))}")
    else:
        yield JUMP.figure(None if end is None else end - fork, how="" if end else "no such record behind the fork")


def _end_of_recovery(context: Context, node: Node, fork: LSN) -> LSN | None:
    choice = Choice(rmgrs=frozenset({_XLOG}), start=fork, end=LSN(fork + _NEAR))
    for record in read(wal_of(context.target(node.name), node.timeline), choice):
        if record.name in _ENDS:
            return LSN(-(-int(record.end) // _ALIGNMENT) * _ALIGNMENT)
    return None


def _divergence(context: Context, options: Options) -> tuple[Figure, ...]:
    old, new = options.text("old"), options.text("new")
    snapshot, name = context.fresh(), context.node(new)
    sample = _sample(snapshot.node(name), name)
    try:
        found = diverged(_old(context, context.node(old)), name, sample, context.target(name))
        theirs = _theirs(context, name, sample, found)
    except PgReplTermError as error:
        why = f"the WAL could not be compared: {printable(str(error))}"
        return tuple(each.figure(None, side, how=why) for side in (old, name) for each in _DIVERGENCE[:3])
    rows = sum(table.rows for table in found.tables if not table.is_system)
    return (
        FORK.figure(str(found.fork.lsn), how=f"where the lines of {old} and {name} part, by their histories"),
        *_side(old, found.lost, rows),
        *_side(name, theirs, None),
    )


def _sample(node: Node | None, name: str) -> NodeSample:
    if node is None or node.sample is None:
        raise DrillFailed(f"expected {name} to have answered, so that its line is known; it never did.")
    return node.sample


def _old(context: Context, name: str) -> Old:
    """The old primary's WAL: through the server while it runs, else from its files."""
    lab = context.stage.lab
    if name in context.running("all"):
        return old_server(context.target(name), name, _sample(context.snapshot.node(name), name))
    return old_at(Path(lab.state.node(name).data_directory), name)


def _theirs(context: Context, name: str, sample: NodeSample, found: Diverged) -> Lost:
    source = wal_of(context.target(name), sample.timeline)
    return lost_past(source, survey(source, found.fork.lsn, found.theirs), found.fork.lsn)


def _side(name: str, lost: Lost, rows: int | None) -> Iterator[Figure]:
    part = f"; at least: {lost.unread}" if lost.unread else ""
    yield OLD_BYTES.figure(lost.bytes, name, how=OLD_BYTES.how + part)
    yield OLD_COMMITS.figure(lost.commits, name, how=OLD_COMMITS.how + part)
    if rows is None:
        rows = sum(each.rows for each in lost.relations if each.relation >= _FIRST_USER_FILE)
    yield OLD_ROWS.figure(rows, name, how=OLD_ROWS.how + part)


_FIRST_USER_FILE = 16384
_DIVERGENCE = (OLD_BYTES, OLD_COMMITS, OLD_ROWS, FORK)

MEASURES = (
    Measure(
        "timelines",
        "the timeline of every node before and now, the primary's history, and the bytes its promotion wrote",
        (BEFORE, NOW, PREFIX, HISTORY, FORK, JUMP),
        _timelines,
        {"since": Parameter('before when: "start", "fault", "heal" or a stage', "start")},
    ),
    Measure(
        "divergence",
        "what an old primary wrote past the fork, and what the new one did since: bytes, commits and rows of each",
        _DIVERGENCE,
        _divergence,
        {
            "old": Parameter("the old primary; it may run, or be stopped", "", required=True),
            "new": Parameter("the node whose line lives on", "primary"),
        },
    ),
)
