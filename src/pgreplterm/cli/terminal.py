"""What the command line asks of the terminal, without knowing it.

Owns: the protocol that ``pgreplterm.__main__`` fulfils, and the question whether there is a terminal at all.
Must not: import Textual.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pgreplterm.cluster.connecting.connect import Target
    from pgreplterm.cluster.thresholds import Thresholds
    from pgreplterm.lab.lab import Lab
    from pgreplterm.recording.reader import Recording

Prepare = Callable[[Callable[[str], None]], "Lab"]


@dataclass(frozen=True, slots=True)
class Look:
    """How to watch: interval in seconds, discover to find the neighbours of the servers named, limits to judge by."""

    interval: float = 1.0
    ascii_only: bool = False
    discover: bool = False
    limits: Thresholds | None = None


class Terminal(Protocol):
    """Opens screens; each call returns the exit status once the user has left."""

    def watch_servers(self, targets: Sequence[Target], title: str, look: Look) -> int:
        """Servers named by DSN."""
        ...

    def watch_lab(self, title: str, prepare: Prepare, look: Look) -> tuple[int, Lab | None]:
        """A lab, which prepare returns, building it first if it must; and that lab, if it came up."""
        ...

    def watch_recording(self, recording: Recording, number: int, ascii_only: bool) -> int:
        """A recording, from the snapshot of that number on."""
        ...


def is_interactive() -> bool:
    """Whether someone can see a screen and press a key."""
    return sys.stdin.isatty() and sys.stdout.isatty()
