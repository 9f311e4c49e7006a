"""What each candidate would lose, read beside the snapshots without ever holding them up.

Owns: one look at a time, each in a thread of its own. Must not: draw, or wait for a server.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pgreplterm.cluster.model import ClusterSnapshot

if TYPE_CHECKING:
    from pgreplterm.cluster.connecting.connect import Target
    from pgreplterm.cluster.decoded.risk_watch import AtRisk, RiskWatch

# Bytes of WAL that one look reads at most: of a server on this machine, and of one that may be far away.
NEARBY = 8 * 1024**2
AFAR = 1024**2


class RiskTeller:
    """Hand it each snapshot; it gives what was found out since, or None. A look that is not done yet goes on."""

    def __init__(self, bytes_a_look: int = NEARBY) -> None:
        self._most = bytes_a_look
        self._watch: RiskWatch | None = None
        self._thread: threading.Thread | None = None
        self._found: Mapping[str, AtRisk] | None = None
        self._defect: str | None = None

    def tell(self, snapshot: ClusterSnapshot, targets: Sequence[Target]) -> Mapping[str, AtRisk] | None:
        """Begin a look at this snapshot of these servers unless one is under way; what the one before it found."""
        if self._thread is not None and self._thread.is_alive():
            return None
        found, self._found = self._found, None
        self._thread = threading.Thread(target=self._look, args=(snapshot, targets), name="risk", daemon=True)
        self._thread.start()
        return found

    def defect(self) -> str | None:
        """What went wrong in a look, once."""
        defect, self._defect = self._defect, None
        return defect

    def _look(self, snapshot: ClusterSnapshot, targets: Sequence[Target]) -> None:
        from pgreplterm.cluster.decoded.risk_watch import RiskWatch

        if self._watch is None:
            self._watch = RiskWatch(targets, self._most)
        self._watch.targets = targets
        try:
            self._found = self._watch.look(snapshot)
        except Exception as error:  # any defect is an event line; a thread's traceback would be drawn over the screen
            self._defect = f"what is at risk could not be read ({type(error).__name__}: {error})"
