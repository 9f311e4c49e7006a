"""The worst of a stretch of time: lag, WAL that slots keep, and how often was looked.

Owns: lag-peak and slot-retention. Must not: ask servers; all of it was seen by the track.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure import series
from pgreplterm.drill.measure.context import Context, Window
from pgreplterm.drill.measure.curves import RETAINED_BYTES
from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.options import Options, Parameter
from pgreplterm.drill.measure.pattern import Pattern
from pgreplterm.drill.measure.series import Point
from pgreplterm.drill.measure.track import Quantity, Track
from pgreplterm.drill.measure.verbs.lag import NODES, SINCE, STAGES, whole

_PATIENCE = 1.0
"""Seconds without evidence of a state, beyond which nobody can say that it was never left."""

PEAK = Pattern(
    "peak_lag_bytes:NODE", "Peak lag of NODE", "bytes", "the most of lag_bytes:NODE at any tick of that time"
)
PEAK_AT = Pattern("peak_lag_at_seconds:NODE", "Peak of NODE after", "s", "from the beginning of that time to its peak")
PEAK_TIME = Pattern(
    "peak_lag_seconds:NODE", "Peak time lag of NODE", "s", "the most of time_lag_seconds:NODE at any tick"
)
PEAK_STAGES = {
    quantity: Pattern(
        f"peak_{pattern.key}", f"{pattern.label}, at most", "bytes", f"{pattern.how}, the most at any tick"
    )
    for quantity, pattern in STAGES.items()
}
PEAK_REPLAY = Pattern(
    "peak_replay_lag_seconds:NODE",
    "Peak replay lag of NODE",
    "s",
    "the most that replay_lag of pg_stat_replication said at any tick",
)
FINAL = Pattern(
    "final_lag_bytes:NODE", "Lag of NODE at the end", "bytes", "lag_bytes:NODE at the last tick of that time"
)
STREAMING = Pattern(
    "always_streaming:NODE",
    "NODE never left streaming",
    "",
    "whether its state was streaming at every tick of that time; no answer when nobody saw it for more than a second",
)
HERTZ = Pattern(
    "sampling_hertz", "Looks a second", "Hz", "ticks of that time over its length", "the rate asked for: it is measured"
)
LARGEST_GAP = Pattern("sampling_gap_seconds", "Longest time without a look", "s", "between two ticks of that time")
SLOT_PEAK = Pattern(
    "peak_retained_bytes:SLOT", "WAL kept by slot SLOT, at most", "bytes", "the most of retained_bytes:SLOT at any tick"
)


def _lag_peak(context: Context, options: Options) -> tuple[Figure, ...]:
    window = context.window(options.text("since"))
    if window.until >= context.now:  # the last look is to be one that every node has answered
        window = replace(window, until=context.fresh().taken_at)
    names = context.nodes(options.text("nodes"))
    return (
        *(figure for name in names for figure in _peaks(context, name, window)),
        *sampling(context.track, window.since, window.until),
    )


def _peaks(context: Context, name: str, window: Window) -> Iterator[Figure]:
    def points(quantity: Quantity) -> series.Points:
        return series.between(context.track.points(name, quantity), window.since, window.until)

    behind = points(Quantity.BEHIND)
    highest, looked = series.peak(behind), series.rate(behind).words
    how = f"{PEAK.how}; {looked}"
    yield PEAK.figure(whole(highest.value if highest else None), name, how=how)
    yield PEAK_AT.figure(highest.at - window.since if highest else None, name)
    for quantity, pattern in PEAK_STAGES.items():
        yield pattern.figure(whole(_most(points(quantity))), name)
    yield PEAK_TIME.figure(_most(points(Quantity.TIME_LAG)), name)
    yield PEAK_REPLAY.figure(_most(points(Quantity.REPLAY_LAG)), name)
    yield FINAL.figure(whole(series.final(behind)), name)
    yield _streaming(context, name, window)


def _streaming(context: Context, name: str, window: Window) -> Figure:
    every = zip(*context.track.states(name), strict=True)
    seen = [(at, state) for at, state in every if window.since <= at <= window.until]
    states = [state for _, state in seen]
    always = series.stayed([at for at, _ in seen], states, "streaming", _PATIENCE)
    others = ", ".join(f"{state or 'unseen'} at {states.count(state)}" for state in dict.fromkeys(states))
    how = f"its state at {len(seen)} ticks: {others}"
    return STREAMING.figure(always, name, how=how)


def _most(points: series.Points) -> float | None:
    highest = series.peak(points)
    return highest.value if highest else None


def sampling(track: Track, since: float = -math.inf, until: float = math.inf) -> tuple[Figure, ...]:
    """How often was looked in that time, which is what every peak rests on."""
    ticks: list[Point] = [(at, 1.0) for at in track.ticks if since <= at <= until]
    looked = series.rate(ticks)
    how = f"{looked.samples} looks over the time between the first and the last of them"
    return (HERTZ.figure(looked.hertz, how=how), LARGEST_GAP.figure(looked.largest_gap))


def _slot_retention(context: Context, options: Options) -> tuple[Figure, ...]:
    context.fresh()
    window = context.window(options.text("since"))
    node = context.node(options.text("node"))
    figures = []
    for holder, slot in context.track.slots:
        if holder != node or options.text("slot") not in ("", slot):
            continue
        every = context.track.retained(holder, slot)
        points = series.between(every, window.since, window.until)
        highest, how = series.peak(points), f"{node}'s position minus restart_lsn; {series.rate(points).words}"
        figures.append(RETAINED_BYTES.figure(whole(series.final(every)), slot))
        figures.append(SLOT_PEAK.figure(whole(highest.value if highest else None), slot, how=how))
    if not figures and options.text("slot"):
        figures.append(RETAINED_BYTES.figure(None, options.text("slot"), how=f"{node} has no such slot"))
    return tuple(figures)


MEASURES = (
    Measure(
        "lag-peak",
        "the worst lag of each standby since a moment, its lag at the end, and how often was looked",
        (
            PEAK,
            PEAK_AT,
            *PEAK_STAGES.values(),
            PEAK_TIME,
            PEAK_REPLAY,
            FINAL,
            STREAMING,
            HERTZ,
            LARGEST_GAP,
        ),
        _lag_peak,
        {"nodes": NODES, "since": SINCE},
    ),
    Measure(
        "slot-retention",
        "WAL that each physical slot of a node keeps, now and at most since a moment",
        (RETAINED_BYTES, SLOT_PEAK),
        _slot_retention,
        {
            "node": Parameter("whose slots", "primary"),
            "slot": Parameter("one of them; all unless said", ""),
            "since": SINCE,
        },
    ),
)
