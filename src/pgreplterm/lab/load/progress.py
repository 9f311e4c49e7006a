"""The progress file of a load, as others read it.

Owns: its name, and telling a load that reports from one that has gone silent. Must not: know what is in it, or import
psycopg. Its keys are in :mod:`pgreplterm.lab.load.document`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE_NAME = "load.json"
SILENT_AFTER = 5.0
"""Seconds without a report; there is one a second."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LoadStatus:
    """The last report and its age in seconds; running is whether the load's process lives."""

    report: Document
    running: bool
    age: float

    @property
    def is_current(self) -> bool:
        """Whether the rates of the last second are those of now."""
        return self.running and self.age <= SILENT_AFTER


def read(directory: Path) -> Document | None:
    """What the load of the lab in that folder said last; None when none has said anything."""
    try:
        document = json.loads((directory / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None
