"""The figures there may be: key, label, unit and how it is measured, each written once.

Owns: patterns of figures with a place for a node's name and the like, and making a Figure of one.
Must not: measure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pgreplterm.drill.figures import Figure, FigureValue

_PLACE = re.compile(r"\b[A-Z]{3,}\b")
_STRANGE = re.compile(r"[^a-z0-9]+")
PLACES = frozenset(
    {"NODE", "SLOT", "STAGE", "OPERATION", "RULE", "METHOD", "TABLE", "PID", "KIND", "SERVER", "CLIENT"},
)
"""What may stand in a key for a name that only a run knows."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A kind of figure. key is "lag_bytes:NODE", say; label may hold the same places.

    how says what is compared with what; is_not what it is easily taken for.
    """

    key: str
    label: str
    unit: str
    how: str
    is_not: str = ""

    def figure(self, value: FigureValue, *names: str, how: str = "") -> Figure:
        """One figure of this kind: names go to the places of the key in order. how wins over the pattern's."""
        filled = dict(zip(_places(self.key), names, strict=True))

        def named(text: str) -> str:
            return _PLACE.sub(lambda found: filled.get(found[0], found[0]), text)

        key = _PLACE.sub(lambda found: slug(filled.get(found[0], found[0])), self.key)
        return Figure(key, named(self.label), value, self.unit, named(how or self.how))

    def matches(self, key: str) -> bool:
        """Whether a figure of that key is of this kind."""
        return _expression(self.key).fullmatch(key) is not None


def slug(name: str) -> str:
    """A name as it stands in a key: "cut pg2 off" is cut_pg2_off."""
    return _STRANGE.sub("_", name.lower()).strip("_") or "unnamed"


def matching(patterns: Iterable[Pattern], key: str) -> Pattern | None:
    """The kind that a figure of that key is of."""
    return next((each for each in patterns if each.matches(key)), None)


def _places(key: str) -> list[str]:
    return [found for found in _PLACE.findall(key) if found in PLACES]


def _expression(key: str) -> re.Pattern[str]:
    pieces = re.split(f"({'|'.join(sorted(PLACES))})", key)
    return re.compile("".join("[a-z0-9_]+" if piece in PLACES else re.escape(piece) for piece in pieces))
