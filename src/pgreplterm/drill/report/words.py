"""The values of a report in words, for every form of it.

Owns: how a figure's value, an instant, a verdict and an outcome are said. Must not: know a form or a terminal.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Final

from pgreplterm.cluster.words import duration_in_words, instant, printable, size_in_words
from pgreplterm.drill.check import Verdict
from pgreplterm.drill.figures import Figure, FigureValue
from pgreplterm.drill.report.model import Expectation, Report

NOT_MEASURED: Final = "not measured"
INSTANT: Final = "epoch s"
"""The unit of a figure that is a moment."""

IDS_SHOWN = 20
"""Ids named in a list of them; the JSON has all."""

VERDICTS = {Verdict.OK: "ok", Verdict.WARNING: "warning", Verdict.REFUSAL: "refusal"}
SPOKEN = ("s", "bytes", "bytes/s")
"""Units that a value is said with in one of several sizes."""

_NOUGHTS = re.compile(r"\.0+(?= )|(?<=min) 0 s$|(?<= h) 0 min$")
_HOLDS = {True: "holds", False: "does not hold", None: NOT_MEASURED}


def figure_in_words(figure: Figure) -> str:
    """Its value with its unit, as it may be shown."""
    return value_in_words(figure.value, figure.unit)


def value_in_words(value: FigureValue, unit: str = "") -> str:
    """A value with its unit, humanised: ``412 ms``, ``34.1 MB``, ``121,034 rows/s``, ``2 (17, 18)``."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NOT_MEASURED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return printable(f"{value} {unit}".strip())
    return _listed(value) if isinstance(value, tuple) else _quantity(value, printable(unit))


def known_or_not(value: float | None, unit: str) -> str:
    """A sample of a curve: its value, or ``unknown``."""
    return "unknown" if value is None else value_in_words(value, unit)


def tick_in_words(value: float, unit: str) -> str:
    """A round value at an axis: ``0``, ``128 MB``, ``5 ms``; of other units the number alone."""
    if not value:
        return "0"
    said = value_in_words(value, unit) if unit in SPOKEN else number(value)
    return _NOUGHTS.sub("", said)


def exact(figure: Figure) -> str:
    """Bytes to the last one, where the words round them; else nothing."""
    value = figure.value
    if figure.unit != "bytes" or isinstance(value, bool) or not isinstance(value, int) or abs(value) < 1024:
        return ""
    return f"{value:,} bytes"


def seconds_in_words(seconds: float) -> str:
    """``0.59 ms``, ``412 ms``, ``1.82 s``, then as everywhere: ``41 s``, ``2 min 5 s``."""
    if seconds < 0:
        return f"-{seconds_in_words(-seconds)}"
    if not seconds:
        return "0 s"
    if seconds < 0.0995:
        return f"{seconds * 1000:.2f} ms" if seconds < 0.00995 else f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 9.95 else duration_in_words(seconds)


def holds_in_words(expectation: Expectation) -> str:
    """``holds``, ``does not hold``, ``not measured``."""
    return _HOLDS[expectation.holds]


def when(at: float) -> str:
    """An instant to the second, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def offset(report: Report, at: float) -> str:
    """An instant as seconds since the run began: ``+1.25 s``."""
    return f"{at - report.started_at:+.2f} s"


def heading(report: Report) -> str:
    """What ran: ``Failover drill``, or a scenario's title."""
    named = report.title and report.kind != "drill"
    return printable(report.title if named else f"{report.name[:1].upper()}{report.name[1:]} {report.kind}")


def circumstances(report: Report) -> str:
    """Where and when: ``lab demo (local), PostgreSQL 18.1, 2026-11-21 20:01:30 UTC, for 4.20 s``."""
    server = f"PostgreSQL {report.server_version}" if report.server_version else "PostgreSQL of an unknown version"
    backend = f" ({report.backend})" if report.backend else ""
    took = seconds_in_words(max(0.0, report.ended_at - report.started_at))
    return printable(f"lab {report.lab}{backend}, {server}, {when(report.started_at)}, for {took}")


def _listed(ids: tuple[int | str, ...]) -> str:
    if not ids:
        return "0"
    shown = printable(", ".join(map(str, ids[:IDS_SHOWN])))
    return f"{len(ids):,} ({shown}{', ...' if len(ids) > IDS_SHOWN else ''})"


def _quantity(value: float, unit: str) -> str:
    if unit == "s":
        return seconds_in_words(value)
    if unit == INSTANT:
        return instant(value)
    if unit == "bytes":
        return size_in_words(round(value))
    if unit == "bytes/s":
        return f"{size_in_words(round(value))}/s"
    return f"{number(value)}{'' if unit == '%' else ' '}{unit}".rstrip()


def number(value: float) -> str:
    """Thousands apart; no more decimals than say something: ``121,034``, ``165.8``, ``0.042``."""
    if isinstance(value, int) or value == round(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"
