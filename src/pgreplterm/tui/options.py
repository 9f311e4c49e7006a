"""What the command line may ask of the terminal.

Owns: those options. Must not: import Textual.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgreplterm.cluster.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class TuiOptions:
    """ascii_only None: decide by the locale. wal_path is one more folder for the WAL place.

    limits are what the cluster is judged by; None: the default ones.
    """

    ascii_only: bool | None = None
    mouse: bool = False
    wal_path: Path | None = None
    limits: Thresholds | None = None
