"""A file of JSON lines that grows while it is read.

Owns: reading what has been added, whole lines only. Must not: wait, or know what the lines mean.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class Tail:
    """Reads a file from its beginning on; it need not exist yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def news(self) -> list[Event]:
        """The objects added since the last call; a line cut off by a kill is passed over, as is one still written."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                added = file.read()
        except OSError:
            return []
        whole = added[: added.rfind(b"\n") + 1]
        self._position += len(whole)
        return [event for event in map(_parsed, whole.splitlines()) if event is not None]


def _parsed(line: bytes) -> Event | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
