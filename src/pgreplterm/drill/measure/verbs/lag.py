"""How far standbys are behind: now, and until they were not.

Owns: lag and catch-up. Must not: ask servers; all of it was seen by the track.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure import series
from pgreplterm.drill.measure.context import Context
from pgreplterm.drill.measure.curves import LAG_BYTES, TIME_LAG_SECONDS
from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.options import Options, Parameter
from pgreplterm.drill.measure.pattern import Pattern
from pgreplterm.drill.measure.series import Point
from pgreplterm.drill.measure.track import Quantity
from pgreplterm.errors import DrillFailed

NODES = Parameter('which: "standbys", "all" or one by name', "standbys")
SINCE = Parameter('from when: "start", "fault", "heal" (the last), or a stage, which also ends it', "start")

HOP = Pattern(
    "hop_lag_bytes:NODE", "Lag of NODE behind its upstream", "bytes", "upstream's position minus NODE's replay"
)
STAGES = {
    Quantity.UNSENT: Pattern("unsent_bytes:NODE", "Not sent to NODE", "bytes", "upstream's position minus sent_lsn"),
    Quantity.WRITE: Pattern(
        "write_gap_bytes:NODE", "Not written by NODE", "bytes", "upstream's position minus write_lsn"
    ),
    Quantity.FLUSH: Pattern(
        "flush_gap_bytes:NODE", "Not flushed by NODE", "bytes", "upstream's position minus flush_lsn"
    ),
}
TOLD = {
    Quantity.WRITE_LAG: "write",
    Quantity.FLUSH_LAG: "flush",
    Quantity.REPLAY_LAG: "replay",
}
LAGS = {
    quantity: Pattern(
        f"{word}_lag_seconds:NODE",
        f"{word.capitalize()} lag of NODE",
        "s",
        f"{word}_lag of pg_stat_replication: from flushed by the primary to the answer that NODE has it",
        "an age: it is null while nothing is written, and stays as it was while nothing comes back",
    )
    for quantity, word in TOLD.items()
}
CATCH_UP = Pattern(
    "catch_up_seconds:NODE",
    "Catch-up of NODE",
    "s",
    "from that moment to the first tick at which NODE, having been behind, streams and lacks no more than allowed",
)


def _lag(context: Context, options: Options) -> tuple[Figure, ...]:
    context.fresh()
    return tuple(figure for name in context.nodes(options.text("nodes")) for figure in _of_node(context, name))


def _of_node(context: Context, name: str) -> Iterator[Figure]:
    track = context.track
    age = series.final(track.points(name, Quantity.EVIDENCE_AGE))
    evidence = "its last word of unknown age" if age is None else f"its last word {age:.1f} s old"
    yield LAG_BYTES.figure(_bytes(track.points(name, Quantity.BEHIND)), name, how=f"{LAG_BYTES.how}; {evidence}")
    yield HOP.figure(_bytes(track.points(name, Quantity.REPLAY)), name)
    for quantity, pattern in STAGES.items():
        yield pattern.figure(_bytes(track.points(name, quantity)), name)
    for quantity, pattern in LAGS.items():
        yield pattern.figure(series.final(track.points(name, quantity)), name)
    yield TIME_LAG_SECONDS.figure(series.final(track.points(name, Quantity.TIME_LAG)), name)


def _bytes(points: list[Point]) -> int | None:
    return whole(series.final(points))


def whole(value: float | None) -> int | None:
    """Bytes are whole."""
    return None if value is None else int(value)


def _catch_up(context: Context, options: Options) -> tuple[Figure, ...]:
    since, most = context.moment(options.text("since")), options.whole("bytes")
    names, within = context.nodes(options.text("nodes")), options.number("within")
    figures = []
    for name in names:
        seconds = _came_down(context, name, since, most, within)
        how = f"from {options.text('since')} to the first tick at which {name} streams and lacks {most} bytes or less"
        reason = "" if seconds is not None else f"; it did not within {within:g} s"
        figures.append(CATCH_UP.figure(seconds, name, how=how + reason))
    return tuple(figures)


def _came_down(context: Context, name: str, since: float, most: int, within: float) -> float | None:
    track = context.track

    def seconds() -> float | None:
        points = track.points(name, Quantity.BEHIND)
        return series.came_down(points, track.state_points(name)[: len(points)], since, most)

    try:
        context.stage.until(lambda _: seconds() is not None, f"{name} to catch up", within)
    except DrillFailed:
        return None
    return seconds()


MEASURES = (
    Measure(
        "lag",
        "how far each standby is behind now: in bytes at each stage, behind the primary and per hop, and in seconds",
        (LAG_BYTES, HOP, *STAGES.values(), *LAGS.values(), TIME_LAG_SECONDS),
        _lag,
        {"nodes": NODES},
    ),
    Measure(
        "catch-up",
        "how long from a moment until a standby streams and lacks nothing; waits for it",
        (CATCH_UP,),
        _catch_up,
        {
            "nodes": NODES,
            "since": Parameter('from when: "heal" or "fault" (the last), or a stage', "heal"),
            "bytes": Parameter("how many bytes it may still lack", 0, "bytes", least=0),
            "within": Parameter("how long to wait for it", 60.0, "s", least=0),
        },
    ),
)
