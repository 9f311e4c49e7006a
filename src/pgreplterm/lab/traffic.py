"""Who writes to a lab and reads from it: the load and the probers.

Owns: that part of ``Lab``. Must not: know what either does (``load``, ``prober``).
"""

from __future__ import annotations

import time
from pathlib import Path

from pgreplterm.lab import conninfo, helpers, journal, state
from pgreplterm.lab.conninfo import Way
from pgreplterm.lab.fates import Read
from pgreplterm.lab.load.plan import Plan
from pgreplterm.lab.load.progress import LoadStatus
from pgreplterm.lab.site import Site


class Traffic:
    """A lab's load and probers. ``Lab`` is one."""

    _site: Site

    @property
    def application_dsn(self) -> str:
        """What an application would be given: every node, and libpq finds the one that takes writes."""
        return conninfo.application_dsn([node.port for node in self._site.read().nodes], self._site.passfile)

    def start_load(self, rate: float = 200.0, plan: Plan | None = None) -> None:
        """Write rate rows a second on whichever node is primary, or what the plan says, until stop_load().

        Returns when a row was acknowledged. Raises LabError when none is.
        """
        with state.transaction(self._site.directory):
            helpers.start_load(self._site, plan or Plan(rate=rate))

    def stop_load(self) -> None:
        """End the load; nothing happens when there is none."""
        with state.transaction(self._site.directory):
            helpers.stop_load(self._site)

    def load_status(self) -> LoadStatus | None:
        """What the load said last, also of one that has ended; None when there was none."""
        return helpers.load_status(self._site)

    def start_prober(self, interval: float = 0.004) -> Path:
        """Write an id every interval seconds and journal what became of it; the path of the journal.

        Returns when the first id was acknowledged. Raises LabError when none is.
        """
        return self.start_probers(1, interval)[0]

    def start_probers(self, clients: int, interval: float = 0.004, way: Way = Way.QUICK) -> tuple[Path, ...]:
        """The same with several clients at once, one journal each."""
        with state.transaction(self._site.directory):
            return helpers.start_probers(self._site, clients, interval, way)

    def stop_prober(self) -> Path | None:
        """End the prober after its current attempt; the path of its journal, None when there was no prober."""
        return next(iter(self.stop_probers()), None)

    def stop_probers(self) -> tuple[Path, ...]:
        """End all of them; the paths of their journals."""
        with state.transaction(self._site.directory):
            return helpers.stop_probers(self._site)

    def read_probes(self, node: str, client: int) -> Read:
        """The ids of one prober that a node holds, from the table itself: a damaged index hides nothing.

        Ask a new primary only after its recovery has ended.
        """
        began = time.monotonic()
        with self._site.connect(self._site.read().node(node)) as link:
            link.execute("SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off")
            found = link.execute(f"SELECT id FROM {journal.TABLE} WHERE client = %s", (client,)).fetchall()
        return Read(node, began, tuple(row[0] for row in found))

    def probe_ids(self, node: str, client: int) -> frozenset[int]:
        """The same as a set."""
        return frozenset(self.read_probes(node, client).ids)
