"""Where drills leave their journals and reports.

Owns: the choice of folder. Must not: write.
"""

from __future__ import annotations

import os
from pathlib import Path

from pgreplterm.errors import PgReplTermError


def state_folder() -> Path:
    """``$XDG_STATE_HOME/pgreplterm``, by default below ``~/.local/state`` (XDG base directory specification)."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "pgreplterm"


def writable(folder: Path, option: str) -> Path:
    """The folder, made if need be. Raises PgReplTermError, naming the option that chooses another."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise PgReplTermError(
            f"{folder}: expected a folder to write reports into; {error.strerror}. Name another with {option}."
        ) from error
    return folder
