"""Where a point-in-time recovery is to stop: a time, an LSN, or a named restore point; one of them.

Owns: reading it, and what can be said against it before a server is started. Must not: start one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from pgreplterm.lab.errors import LabError
from pgreplterm.wal.lsn import LSN

if TYPE_CHECKING:
    from pgreplterm.lab.backups import Backup

_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}\Z")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]")
_POINT = re.compile(r"[A-Za-z0-9_-]{1,63}\Z")


class Kind(StrEnum):
    """What is named; the words are those of the recovery_target settings."""

    TIME = "time"
    LSN = "lsn"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Target:
    """value is as the server takes it; at is the time in epoch seconds, for one of that kind."""

    kind: Kind
    value: str
    at: float | None = None

    @property
    def words(self) -> str:
        """In a sentence."""
        return {Kind.TIME: self.value, Kind.LSN: f"LSN {self.value}", Kind.NAME: f"restore point {self.value!r}"}[
            self.kind
        ]

    @property
    def settings(self) -> Mapping[str, str]:
        """As a server needs them. The record at an LSN is left out: the target is before what begins there."""
        inclusive = "off" if self.kind is Kind.LSN else "on"
        return {f"recovery_target_{self.kind}": self.value, "recovery_target_inclusive": inclusive}

    def check(self, backup: Backup, now: float) -> None:
        """Raises LabError for one that cannot be reached from that backup."""
        if self.at is not None and self.at > now:
            raise LabError(
                f"{self.value} is in the future: recovery would end before its target; name a time up to now, "
                f"{_text(now)}"
            )
        if self.at is not None and self.at <= backup.ended_at:
            raise LabError(
                f"{self.value} is not after the end of the base backup {backup.name}, {_text(backup.ended_at)}: before "
                "that it is not consistent; name a later time, or an older backup"
            )
        if self.kind is Kind.LSN and LSN.parse(self.value) < LSN.parse(backup.end_lsn):
            raise LabError(
                f"LSN {self.value} is before {backup.end_lsn}, where the base backup {backup.name} is consistent: "
                "name a later one, or an older backup"
            )


def parse_target(text: str) -> Target:
    """A time with its zone, an LSN, or the name of a restore point. Raises LabError."""
    text = text.strip()
    if _LSN.match(text):
        return Target(Kind.LSN, text.upper())
    if _TIME.match(text):
        return _time(text)
    if _POINT.match(text):
        return Target(Kind.NAME, text)
    raise LabError(
        "expected a time with its zone (2026-11-21 20:00:00.5+00), an LSN (0/3000060), or a restore point; "
        f"found {text!r}"
    )


def at_time(at: float) -> Target:
    """That instant, in epoch seconds."""
    return Target(Kind.TIME, _text(at), at)


def _time(text: str) -> Target:
    try:
        found = datetime.fromisoformat(re.sub(r"([+-]\d\d)\Z", r"\1:00", text))
    except ValueError:
        raise LabError(f"expected a time such as 2026-11-21 20:00:00.5+00; found {text!r}") from None
    if found.tzinfo is None:
        raise LabError(
            f"{text!r} has no time zone, and the servers' may be another than yours: add one, such as +00 or Z"
        )
    return at_time(found.timestamp())


def _text(at: float) -> str:
    """To the microsecond, as the server keeps it, with its zone."""
    return datetime.fromtimestamp(at, UTC).isoformat(sep=" ", timespec="microseconds")
