"""What the calculators found, as text and as documents.

Owns: their lines, each with its formula, and the keys of ``--json``. Must not: calculate (``drill.sizing``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pgreplterm.cli.tables import aligned
from pgreplterm.cluster.words import UNKNOWN, duration_in_words, size_in_words
from pgreplterm.drill.report.columns import columns, folded
from pgreplterm.drill.report.words import number
from pgreplterm.drill.sizing import DAY, DayOfRows, Fate, Retention, WalSize

_MB = 1 << 20
_WIDTH = 80
_RIGHT = frozenset({"AWAY", "WAL", "ON DISK", "ROWS A DAY", "WAL A DAY", "WAL A SECOND"})


def wal_size_lines(plan: WalSize) -> list[str]:
    """The size with its formula, what it means for checkpoints, and for recovery."""
    rate, timeout = _rate(plan.rate), _time(plan.checkpoint_timeout)
    grows = f"(1 + completion target {plan.completion_target:g})"
    rows = [
        ("WAL a second", rate, f"{number(plan.tps)} transactions/s x {_size(plan.wal_per_transaction)}"),
        ("WAL per checkpoint", _size(plan.per_checkpoint), f"{rate} x checkpoint_timeout {timeout}"),
        ("max_wal_size", _size(plan.wanted), f"{_size(plan.per_checkpoint)} x margin {plan.margin:g}"),
        ("at least", _size(plan.least), f"{_size(plan.per_checkpoint)} x {grows}"),
        ("to replay", _size(plan.to_replay), "at most, after a crash just before a checkpoint ends"),
        ("recovery", _time(plan.recovery_seconds), _recovery(plan)),
    ]
    lines = [*columns(rows, _WIDTH), "", *_paragraph(_wal_size_meaning(plan))]
    return [*lines, "", f"  max_wal_size = '{setting_in_mb(plan.wanted)}'"]


def wal_size_document(plan: WalSize) -> dict[str, Any]:
    """The same as plain data: bytes, bytes a second, seconds; null is unknown."""
    return {
        "tps": plan.tps,
        "wal_per_transaction": plan.wal_per_transaction,
        "checkpoint_timeout": plan.checkpoint_timeout,
        "margin": plan.margin,
        "checkpoint_completion_target": plan.completion_target,
        "replay_rate": plan.replay_rate,
        "wal_per_second": _plain(plan.rate),
        "wal_per_checkpoint": _plain(plan.per_checkpoint),
        "max_wal_size": _plain(plan.wanted),
        "max_wal_size_setting": setting_in_mb(plan.wanted),
        "least_max_wal_size": _plain(plan.least),
        "forces_checkpoints": plan.forces_checkpoints,
        "replay_at_most": _plain(plan.to_replay),
        "recovery_seconds": _plain(plan.recovery_seconds),
        "max_wal_size_now": plan.now,
        "forced_every_seconds_now": _plain(plan.forced_every),
        "formula": "tps x wal_per_transaction x checkpoint_timeout x margin",
    }


def retention_lines(plan: Retention, seconds: Sequence[float], source: str) -> list[str]:
    """What each absence costs, and which comes first: a lost slot or a full disk."""
    rows = [
        (_time(each.seconds), _size(each.written), _size(each.held), str(each.slot), str(each.disk))
        for each in map(plan.away, seconds)
    ]
    known = [
        ("WAL a second", _rate(plan.rate), source),
        ("free", _size(plan.free), "on the disk of pg_wal" if plan.free is not None else "give --free"),
        ("max_slot_wal_keep_size", _limit(plan), "" if plan.limit is not None else "give --max-slot-wal-keep-size"),
    ]
    table = aligned(("AWAY", "WAL", "ON DISK", "SLOT", "DISK"), rows, _RIGHT)
    shown = [("slot lost after", _until_lost(plan)), ("disk full after", _until_full(plan))]
    return [
        *columns(known, _WIDTH),
        "",
        *(f"  {line}" for line in table),
        "",
        *columns(shown, _WIDTH),
        "",
        *_paragraph(_retention_meaning(plan)),
    ]


def retention_document(plan: Retention, seconds: Sequence[float], source: str) -> dict[str, Any]:
    """The same as plain data; null is unknown, or never: ``limited`` and ``saved_by_limit`` tell which."""
    return {
        "wal_per_second": _plain(plan.rate),
        "source": source,
        "free": plan.free,
        "max_slot_wal_keep_size": plan.limit,
        "limited": plan.limited,
        "saved_by_limit": plan.saved_by_limit,
        "seconds_until_lost": _plain(plan.seconds_until_lost),
        "seconds_until_full": _plain(plan.seconds_until_full),
        "away": [
            {
                "seconds": each.seconds,
                "written": _plain(each.written),
                "on_disk": _plain(each.held),
                "slot": _known(each.slot),
                "disk": _known(each.disk),
            }
            for each in map(plan.away, seconds)
        ],
        "formula": "wal_per_second x seconds",
    }


def capacity_lines(
    bytes_per_row: float | None, days: Sequence[DayOfRows], away: Sequence[float], source: str
) -> list[str]:
    """WAL for each number of rows a day, and what a slot keeps of it."""
    headings = ("ROWS A DAY", "WAL A DAY", "WAL A SECOND", *(f"AWAY {_time(each)}" for each in away))
    rows = [(number(day.rows), _size(day.wal), _rate(day.rate), *(_size(each) for each in day.away)) for day in days]
    known = [("WAL of a row", UNKNOWN if bytes_per_row is None else f"{number(bytes_per_row)} bytes", source)]
    meaning = (
        "WAL a day is rows a day times WAL of a row; the columns AWAY are what a slot keeps for a standby that is away "
        "that long, with the rows spread evenly over the day. A peak hour writes more: for it, give "
        "'pgreplterm plan retention --rate' the rate of that hour."
    )
    return [
        *columns(known, _WIDTH),
        "",
        *(f"  {line}" for line in aligned(headings, rows, frozenset(headings), gap=1)),
        "",
        *_paragraph(meaning),
    ]


def capacity_document(
    bytes_per_row: float | None, days: Sequence[DayOfRows], away: Sequence[float], source: str
) -> dict[str, Any]:
    """The same as plain data; null is unknown."""
    return {
        "bytes_per_row": bytes_per_row,
        "source": source,
        "days": [
            {
                "rows_per_day": day.rows,
                "wal_per_day": _plain(day.wal),
                "wal_per_second": _plain(day.rate),
                "away": [{"seconds": each, "on_disk": _plain(kept)} for each, kept in zip(away, day.away, strict=True)],
            }
            for day in days
        ],
        "formula": "rows_per_day x bytes_per_row",
    }


def setting_in_mb(size: float) -> str:
    """A size as postgresql.conf has it, rounded up to a whole MB."""
    return f"{math.ceil(size / _MB)}MB"


def _wal_size_meaning(plan: WalSize) -> str:
    told = (
        "max_wal_size is where WAL forces a checkpoint before checkpoint_timeout does, not a limit on pg_wal: slots, "
        "wal_keep_size and a failing archive pass it. The server begins one after max_wal_size / "
        "(1 + checkpoint_completion_target) of WAL. "
    )
    if plan.forces_checkpoints:
        told += "With this margin it would do so at the peak: take the size after 'at least'. "
    else:
        told += "With this size checkpoints come on time at the peak, with room for more. "
    if plan.forced_every is not None and plan.now is not None:
        early = plan.forced_every < plan.checkpoint_timeout
        told += f"With {_size(plan.now)}, as now, "
        told += f"one is forced every {_time(plan.forced_every)}. " if early else "none is forced. "
    return told + "A larger one costs disk, and longer recovery only in so far as more WAL lies between checkpoints."


def _recovery(plan: WalSize) -> str:
    if plan.replay_rate is None:
        return "give --replay-rate; 'pgreplterm lag' shows a standby's, as REPLAY/S"
    return f"{_size(plan.to_replay)} at {_rate(plan.replay_rate)}"


def _retention_meaning(plan: Retention) -> str:
    start = "The standby had everything when it went away. "
    if plan.saved_by_limit:
        return start + (
            "The slot is lost before the disk is full: the primary goes on, and the standby needs a new base backup "
            "or the archive. WAL is removed by checkpoints, so pg_wal passes the limit by up to what is written "
            "between two of them."
        )
    if plan.saved_by_limit is False:
        return start + (
            "The disk is full before the slot is lost: the primary stops with PANIC, and with it every write. Set "
            "max_slot_wal_keep_size to less than what is free."
        )
    return start + "Whether the slot is lost before the disk is full depends on what is unknown here."


def _until_lost(plan: Retention) -> str:
    if plan.limited is False:
        return "never: max_slot_wal_keep_size has no limit"
    if plan.rate == 0:
        return "never: no WAL is written"
    return f"{_time(plan.seconds_until_lost)}{_at_checkpoint(plan)}"


def _at_checkpoint(plan: Retention) -> str:
    return "" if plan.seconds_until_lost is None else ", at the next checkpoint"


def _until_full(plan: Retention) -> str:
    if plan.saved_by_limit:
        return "never: the slot is lost before"
    if plan.rate == 0:
        return "never: no WAL is written"
    if plan.seconds_until_full is not None and plan.limit is None:
        return f"{_time(plan.seconds_until_full)}, unless the slot is lost before"
    return _time(plan.seconds_until_full)


def _limit(plan: Retention) -> str:
    return "no limit" if plan.limited is False else _size(plan.limit)


def _known(fate: Fate) -> str | None:
    return None if fate is Fate.UNKNOWN else str(fate)


def _plain(count: float | None) -> float | None:
    """To the thousandth: what is beyond is the arithmetic's, not the load's."""
    return None if count is None else round(count, 3)


def _size(count: float | None) -> str:
    return UNKNOWN if count is None else size_in_words(round(count))


def _rate(count: float | None) -> str:
    return UNKNOWN if count is None else f"{size_in_words(round(count))}/s"


def _time(seconds: float | None) -> str:
    """Without the part that is nothing: ``15 min``, ``4 h``."""
    if seconds is None:
        return UNKNOWN
    if seconds >= 2 * DAY:
        return f"{seconds / DAY:,.0f} d"
    said = duration_in_words(seconds)
    return said.removesuffix(" 0 min") if " h " in said else said.removesuffix(" 0 s")


def _paragraph(text: str) -> list[str]:
    return [f"  {line}" for line in folded(text, _WIDTH - 2)]
