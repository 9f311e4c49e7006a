"""How much WAL was written, and what that means for a day and for a standby that is away.

Owns: wal-written. Must not: write any.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure.context import Context
from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.options import Options, Parameter
from pgreplterm.drill.measure.pattern import Pattern
from pgreplterm.drill.measure.track import Position
from pgreplterm.wal.lsn import LSN

HOUR = 3600
NOW = "SELECT pg_current_wal_lsn()::text, (pg_current_wal_lsn() - '0/0')::int8"

BEFORE = Pattern(
    "wal_lsn_before", "LSN before", "", "the primary's pg_current_wal_lsn() at the last look before that time"
)
AFTER = Pattern("wal_lsn_after", "LSN after", "", "the primary's pg_current_wal_lsn() at the end of that time")
WRITTEN = Pattern(
    "wal_bytes", "WAL written", "bytes", "LSN after minus LSN before", "the size of pg_wal: old segments are reused"
)
SECONDS = Pattern("wal_seconds", "In", "s", "between the two looks")
RATE = Pattern("wal_bytes_per_second", "WAL a second", "bytes/s", "WAL written over the time between the two looks")
PER_ROW = Pattern(
    "wal_bytes_per_row",
    "WAL of a row",
    "bytes/row",
    "WAL written over the rows given",
    "the size of a row: it has its record headers, index entries, commit records and full-page images in it",
)
DAY_1M = Pattern("wal_day_1m_rows_bytes", "WAL of 1 million rows a day", "bytes", "bytes of a row times 1,000,000")
DAY_10M = Pattern("wal_day_10m_rows_bytes", "WAL of 10 million rows a day", "bytes", "bytes of a row times 10,000,000")
AWAY = {
    hours: Pattern(
        f"wal_away_{hours}h_bytes",
        f"WAL kept for a standby that is away {hours} h",
        "bytes",
        f"WAL a second times {hours} h: what its slot keeps at this rate, unless max_slot_wal_keep_size is less",
        "a forecast of a whole day: it is the rate of this one time, held",
    )
    for hours in (1, 4, 24)
}


def _wal_written(context: Context, options: Options) -> tuple[Figure, ...]:
    window = context.window(options.text("since"))
    positions = context.track.positions
    before = _at(positions, window.since)
    is_over = window.until < context.now
    after = _at(positions, window.until) if is_over else _latest(context)
    return tuple(_written(before, after, options.whole("rows")))


def _at(positions: Sequence[Position], moment: float) -> Position | None:
    """The last that was sampled by then, or the very first."""
    earlier = [each for each in positions if each.sampled_at <= moment]
    return earlier[-1] if earlier else next(iter(positions), None)


def _latest(context: Context) -> Position | None:
    """By asking the primary now."""
    node = context.primary()
    lsn = int(context.ask(node.name, NOW)[0][1])
    return Position(context.now, context.now, node.name, lsn, node.timeline)


def _written(before: Position | None, after: Position | None, rows: int) -> Iterator[Figure]:
    known = before is not None and after is not None and after.lsn >= before.lsn
    written = after.lsn - before.lsn if known and before and after else None
    seconds = after.sampled_at - before.sampled_at if known and before and after else None
    yield BEFORE.figure(_lsn(before), how=_whose(before))
    yield AFTER.figure(_lsn(after), how=_whose(after))
    yield WRITTEN.figure(written, how=_between(before, after))
    yield SECONDS.figure(seconds)
    rate = written / seconds if written is not None and seconds else None
    yield RATE.figure(rate)
    for hours, pattern in AWAY.items():
        yield pattern.figure(None if rate is None else round(rate * hours * HOUR))
    if rows:
        yield from per_row(written, rows)


def per_row(written: int | None, rows: int) -> Iterator[Figure]:
    """Bytes of a row and what they make in a day."""
    each = None if written is None else written / rows
    yield PER_ROW.figure(each, how=f"{written} bytes of WAL over {rows} rows")
    yield DAY_1M.figure(None if each is None else round(each * 1_000_000))
    yield DAY_10M.figure(None if each is None else round(each * 10_000_000))


def _lsn(position: Position | None) -> str | None:
    return None if position is None else lsn_text(position.lsn)


def lsn_text(lsn: int) -> str:
    """As this program prints positions."""
    return str(LSN(lsn))


def _whose(position: Position | None) -> str:
    if position is None:
        return "no primary was seen"
    return f"{position.node}'s pg_current_wal_lsn(), on timeline {position.timeline}"


def _between(before: Position | None, after: Position | None) -> str:
    if before is None or after is None:
        return "no primary was seen"
    if before.timeline != after.timeline:
        return f"{after.node}'s position on timeline {after.timeline} minus {before.node}'s on {before.timeline}"
    return f"LSN after minus LSN before, both of {after.node}"


MEASURES = (
    Measure(
        "wal-written",
        "WAL written since a moment: LSN before and after, bytes, rate, bytes of a row, and what that makes in a day",
        (BEFORE, AFTER, WRITTEN, SECONDS, RATE, *AWAY.values(), PER_ROW, DAY_1M, DAY_10M),
        _wal_written,
        {
            "since": Parameter(
                'from when: "start", "fault", "heal" (the last), or a stage, which also ends it', "start"
            ),
            "rows": Parameter("rows that were written meanwhile, for the bytes of a row", 0, "rows", least=0),
        },
    ),
)
