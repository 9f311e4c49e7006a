"""Figures as text: sizes, durations, and the cells of a lag table.

Owns: the grammar every surface shares. ``-`` is not applicable, ``?`` is unknown, ``idle`` is caught up with nothing
being written; a figure is bytes first, time second. Must not: judge, colour, or know a terminal.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pgreplterm.cluster.model import Link, Node, Role

NOT_APPLICABLE = "-"
UNKNOWN = "?"
IDLE = "idle"
NEVER = "never"
# Below this there is no estimate of when it is gone: it would be, before anyone could read it. Bytes.
SMALL_GAP = 1 << 20
_CELL_UNITS = "kMGTPE"
# C0 and C1 controls, line and paragraph separators, bidirectional overrides: what could move a terminal's cursor.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def printable(text: str) -> str:
    """Server text as it may be shown: one line, no control characters. Every surface still shows it unstyled."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def size(count: int | None) -> str:
    """Bytes for a narrow cell: ``0``, ``512``, ``12k``, ``34.1M``; ``?`` when unknown."""
    if count is None:
        return UNKNOWN
    number, unit = _scaled(count)
    if not unit:
        return str(count)
    return f"{number:.0f}{unit}" if unit == "k" and number >= 9.95 else f"{number:.1f}{unit}"


def size_in_words(count: int) -> str:
    """Bytes for a sentence, in pg_size_pretty's units: ``512 B``, ``12 kB``, ``34.1 MB``."""
    number, unit = _scaled(count)
    if not unit:
        return f"{count} B"
    return f"{number:.0f} {unit}B" if unit == "k" else f"{number:.1f} {unit}B"


def duration(seconds: float | None) -> str:
    """Seconds for a narrow cell: ``0.2s``, ``41s``, ``2m05s``, ``3h12m``, ``5d``; ``?`` when unknown."""
    if seconds is None:
        return UNKNOWN
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 2 * 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d"


def duration_in_words(seconds: float) -> str:
    """Seconds for a sentence: ``0.4 s``, ``41 s``, ``2 min 5 s``, ``3 h 12 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def instant(at: float) -> str:
    """An instant (seconds since the epoch) as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def lag_time(link: Link | None) -> str:
    """The TIME cell: how long the downstream replays behind, ``idle`` when it is known to have everything."""
    if link is None:
        return UNKNOWN
    if link.time_lag is None:
        return IDLE if link.gaps.replay == 0 else UNKNOWN
    return duration(link.time_lag)


def pace(bytes_per_second: float) -> str:
    """A rate for a narrow cell: ``0``, ``12k``, ``3.4M``, in bytes a second; the heading says so."""
    return size(round(bytes_per_second))


def catch_up(link: Link | None) -> str:
    """The ETA cell: a duration at the present rates, ``never``, or ``-`` when there is next to nothing left."""
    if link is None or link.gaps.replay is None:
        return UNKNOWN
    if link.catch_up is not None:
        return NEVER if link.catch_up.never else duration(link.catch_up.seconds)
    return NOT_APPLICABLE if link.gaps.replay < SMALL_GAP else UNKNOWN


def lag_cells(node: Node, link: Link | None) -> tuple[str, str, str, str]:
    """UNSENT, FLUSH, REPLAY and TIME of one node: none of them applies to a primary."""
    if node.role is Role.PRIMARY:
        return (NOT_APPLICABLE,) * 4
    if link is None:
        return (UNKNOWN,) * 4
    return (size(link.gaps.unsent), size(link.gaps.flush), size(link.gaps.replay), lag_time(link))


def sync_cell(node: Node, link: Link | None) -> str:
    """The SYNC cell: pg_stat_replication's sync_state as the upstream gives it."""
    if node.role is Role.PRIMARY:
        return NOT_APPLICABLE
    state = link.sender.sync_state if link is not None and link.sender is not None else None
    return state or UNKNOWN


def _scaled(count: int) -> tuple[float, str]:
    """The number to show and its unit; a unit is left once its rounded number would reach 1024."""
    number, unit = float(count), ""
    for following in _CELL_UNITS:
        if abs(number) < (1024 if not unit else 1023.95):
            break
        number, unit = number / 1024, following
    return number, unit
