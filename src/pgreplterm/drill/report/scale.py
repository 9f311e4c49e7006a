"""The scales of a chart: where its ticks are, and where a value lies.

Owns: round numbers, in powers of two for bytes. Must not: draw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_STEPS = (1, 2, 5, 10)
_SECONDS = (10, 15, 20, 30, 60)
_BYTE_STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True, slots=True)
class Scale:
    """From least..most to start..end (in the picture's units; end may be less than start)."""

    least: float
    most: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Where it lies; what is outside lies at the edge."""
        part = (value - self.least) / (self.most - self.least or 1.0)
        return self.start + min(1.0, max(0.0, part)) * (self.end - self.start)


def ticks(most: float, unit: str, wanted: int = 4) -> tuple[float, ...]:
    """Round numbers from 0 to the first at or above most: about so many."""
    if most <= 0 or not math.isfinite(most):
        return (0.0, 1.0)
    step = _byte_step(most / wanted) if unit.startswith("bytes") else _step(most / wanted)
    return tuple(step * number for number in range(math.ceil(most / step - 1e-9) + 1))


def time_ticks(seconds: float, wanted: int = 8) -> tuple[float, ...]:
    """Round numbers of seconds from 0 up to seconds; whole minutes once there are some."""
    rough = max(seconds, 1e-6) / wanted
    if rough > 60:
        step = 60.0 * _step(rough / 60)
    else:
        step = _step(rough) if rough <= 5 else float(next(each for each in _SECONDS if each >= rough))
    return tuple(step * number for number in range(math.floor(seconds / step + 1e-9) + 1))


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * each for each in _STEPS if power * each >= rough * 0.999)


def _byte_step(rough: float) -> float:
    power = 1024.0 ** max(0, math.floor(math.log(max(rough, 1.0), 1024)))
    return next(power * each for each in _BYTE_STEPS if power * each >= min(rough, power * 1024) * 0.999)
