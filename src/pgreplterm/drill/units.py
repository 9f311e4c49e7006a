"""Sizes and durations as PostgreSQL's settings have them: ``16MB``, ``10 kB``, ``1.5GB``, ``15min``, ``500ms``.

Owns: reading them. Units are case-sensitive there, and multiples are of 1024. Must not: know a setting.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

SIZES: Mapping[str, float] = {"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
"""In bytes."""

TIMES: Mapping[str, float] = {"us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400}
"""In seconds."""

_VALUE = re.compile(r"\s*(-?\d+(?:\.\d*)?|-?\.\d+)\s*([a-zA-Z]*)\s*\Z", re.ASCII)


def size(text: str, base: str = "B") -> int:
    """Bytes, rounded; a number alone counts base. Raises ValueError with the clause "expected ..., found ..."."""
    return round(_read(text, SIZES, base, "a size such as 512, 10kB, 16MB or 1.5GB"))


def rate(text: str, base: str = "B") -> float:
    """Bytes a second: a size, with ``/s`` behind it or not. Raises ValueError."""
    return _read(text.strip().removesuffix("/s"), SIZES, base, "a rate such as 500kB/s or 48.8MB/s", text)


def seconds(text: str, base: str = "s") -> float:
    """Seconds. Raises ValueError."""
    return _read(text, TIMES, base, "a duration such as 300, 500ms, 15min or 4h")


def _read(text: str, units: Mapping[str, float], base: str, expected: str, whole: str | None = None) -> float:
    found = _VALUE.match(text)
    unit = (found.group(2) or base) if found else ""
    if found is None or unit not in units:
        told = f"expected {expected}, found {(whole or text)!r}"
        raise ValueError(told + _hint(unit, units))
    return float(found.group(1)) * units[unit]


def _hint(unit: str, units: Mapping[str, float]) -> str:
    meant = next((each for each in units if unit and each.lower() == unit.lower()), None)
    if meant is not None:
        return f"; did you mean {meant}? Units are case-sensitive, as PostgreSQL's are"
    return f"; units are {', '.join(units)}"
