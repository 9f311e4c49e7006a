"""A journal event as a line for people.

Owns: that wording. Must not: write it anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def narration(event: Mapping[str, Any]) -> str | None:
    """One line for stderr about a journal event; None for those that need none."""
    match event["event"]:
        case "step_started":
            return f"{_named(event)} ..."
        case "observation":
            return f"  {event['detail']}"
        case "step_done":
            return f"{_named(event)}: {event['detail']}" if event["detail"] else None
        case "step_failed":
            return f"{_named(event)} failed: {event['detail']}"
        case "healing":
            return f"taking back: {event['reason']}"
    return None


def _named(event: Mapping[str, Any]) -> str:
    return f"{event['part']}: {event['step']}" if event.get("part") else str(event["step"])
