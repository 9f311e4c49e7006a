"""What is wrong with a link: cut, slow, narrow, stalling, refused.

Owns: the conditions of a replication edge, their JSON form and its strict reading, and one line that describes them.
Must not: apply them, or import anything heavy (the relay imports it and has to listen within some tens of
milliseconds).

``wal`` is the direction towards the downstream, ``replies`` the one towards the upstream. All of it happens to a TCP
stream, which loses nothing: a lost packet shows as a stall, and the ends' kernels still acknowledge what they take.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from pgreplterm.lab.errors import LabError

MOST_SECONDS = 3600.0
MOST_LATENCY = 60.0
MOST_BANDWIDTH = 100_000_000_000


class BadCondition(LabError):
    """Such a condition does not exist; the sentence names the field, what it may be and what it was."""


def _require_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise BadCondition(f"{name} must be true or false: {_found(value)}")


def _require_number(name: str, value: object, most: float) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and isfinite(value) and 0 <= value <= most):  # type: ignore[arg-type, operator]
        raise BadCondition(f"{name} must be a number of seconds from 0 to {most:g}: {_found(value)}")


def _found(value: object) -> str:
    return f"found {_shown(value)}"


def _shown(value: object) -> str:
    """As JSON, which escapes what a terminal would obey, and short."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True, slots=True)
class Stall:
    """Every ``every`` seconds nothing moves for ``hold`` seconds, as when TCP waits to send a lost packet again."""

    every: float
    hold: float

    def __post_init__(self) -> None:
        """Raises BadCondition."""
        _require_number("every", self.every, MOST_SECONDS)
        _require_number("hold", self.hold, MOST_SECONDS)
        if not 0 < self.hold < self.every:
            raise BadCondition(f"hold must be more than 0 and less than every ({self.every:g} s): found {self.hold:g}")


@dataclass(frozen=True, slots=True)
class Flow:
    """The condition of one direction. Seconds, and bytes a second; the default is a good link.

    cut: nothing is read or forwarded, what the relay holds is dropped, and no connection ends.
    """

    cut: bool = False
    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: int | None = None
    stall: Stall | None = None

    def __post_init__(self) -> None:
        """Raises BadCondition."""
        _require_flag("cut", self.cut)
        _require_number("latency", self.latency, MOST_LATENCY)
        _require_number("jitter", self.jitter, MOST_LATENCY)
        if self.jitter > self.latency:
            raise BadCondition(f"jitter must be at most the latency ({self.latency:g} s): found {self.jitter:g}")
        whole = isinstance(self.bandwidth, int) and not isinstance(self.bandwidth, bool)
        if self.bandwidth is not None and not (whole and 1 <= self.bandwidth <= MOST_BANDWIDTH):
            raise BadCondition(
                f"bandwidth must be a whole number of bytes a second from 1 on: {_found(self.bandwidth)}"
            )
        if self.stall is not None and not isinstance(self.stall, Stall):
            raise BadCondition(f"stall must be an object with every and hold: {_found(self.stall)}")

    def document(self) -> dict[str, object]:
        """For JSON: only what differs from a good link."""
        found: dict[str, object] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                found[field.name] = {"every": value.every, "hold": value.hold} if field.name == "stall" else value
        return found

    def describe(self) -> str:
        """In words; empty for a good link."""
        if self.cut:
            return "cut"
        words = []
        if self.latency:
            jitter = f" +-{self.jitter * 1e3:g}" if self.jitter else ""
            words.append(f"{self.latency * 1e3:g}{jitter} ms late")
        if self.bandwidth is not None:
            words.append(f"at most {self.bandwidth:,} bytes/s")
        if self.stall is not None:
            words.append(f"stalls {self.stall.hold:g} s every {self.stall.every:g} s")
        return ", ".join(words)


GOOD = Flow()


@dataclass(frozen=True, slots=True)
class LinkCondition:
    """The condition of one edge: both directions, and whether its port refuses connections (and resets all it had)."""

    wal: Flow = GOOD
    replies: Flow = GOOD
    refuse: bool = False

    def __post_init__(self) -> None:
        """Raises BadCondition."""
        _require_flag("refuse", self.refuse)

    @classmethod
    def both(cls, flow: Flow) -> LinkCondition:
        """The same in both directions."""
        return cls(flow, flow)

    @property
    def is_clear(self) -> bool:
        """Whether nothing is wrong."""
        return self == CLEAR

    def document(self) -> dict[str, object]:
        """For JSON: only what differs from a good link, so that a clear one is ``{}``."""
        found: dict[str, object] = {
            name: flow.document() for name, flow in (("wal", self.wal), ("replies", self.replies)) if flow != GOOD
        }
        return {**found, "refuse": True} if self.refuse else found

    def describe(self) -> str:
        """One line for people."""
        if self.refuse:
            return "refused"
        if self.wal == self.replies:
            return f"both ways {self.wal.describe()}" if self.wal != GOOD else "clear"
        parts = (("WAL", self.wal), ("replies", self.replies))
        return "; ".join(f"{name} {flow.describe()}" for name, flow in parts if flow != GOOD)


CLEAR = LinkCondition()
PARTITION = LinkCondition.both(Flow(cut=True))


def parse(document: object) -> LinkCondition:
    """The condition that JSON object describes. Raises BadCondition."""
    known = _members(document, "a link condition", {field.name for field in fields(LinkCondition)})
    flows = {name: _flow(name, known[name]) for name in ("wal", "replies") if name in known}
    return LinkCondition(**flows, refuse=known.get("refuse", False))


def _flow(name: str, document: object) -> Flow:
    known = _members(document, name, {field.name for field in fields(Flow)})
    try:
        if known.get("stall") is not None:
            known["stall"] = _stall(known["stall"])
        return Flow(**known)
    except BadCondition as error:
        raise BadCondition(f"{name}.{error}") from None


def _stall(document: object) -> Stall:
    known = _members(document, "stall", {"every", "hold"})
    if len(known) < 2:
        raise BadCondition(f"stall must have every and hold: {_found(document)}")
    try:
        return Stall(**known)
    except BadCondition as error:
        raise BadCondition(f"stall.{error}") from None


def _members(document: object, name: str, allowed: set[str]) -> dict[str, Any]:
    """The members of a JSON object, all of them known."""
    if not isinstance(document, Mapping):
        raise BadCondition(f"{name} must be an object: {_found(document)}")
    unknown = [key for key in document if key not in allowed]
    if unknown:
        raise BadCondition(f"{name} has {', '.join(sorted(allowed))} and no {_shown(unknown[0])}")
    return dict(document)
