"""For how long WAL has been on its way to a downstream that has not said a word about it.

Owns: that duration. Must not: call it long; ``state`` does.
"""

from __future__ import annotations

from pgreplterm.cluster.joining.observe import Tick
from pgreplterm.cluster.model import Sender


def unacknowledged(tick: Tick, up: int, sender: Sender | None) -> float | None:
    """A reply may be seconds old on an idle link: what was sent a moment ago is not late for that."""
    above = tick.answer(up)
    if above is None or sender is None or sender.sent_lsn is None or sender.write_lsn is None:
        return None
    if sender.sent_lsn <= sender.write_lsn:
        return None
    seen = tick.trail.behind(tick.seen[up].address, sender.write_lsn, above.taken_at)
    return None if seen.most is None and not seen.least else seen.least
