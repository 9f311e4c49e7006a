"""What a client saw of a failover, from the prober's own log.

Owns: downtime and lost writes, as pure functions of attempts. Must not: read servers or files.

An id counts as lost when its write was acknowledged and the new primary, read after its recovery ended, does not
have it. An unknown outcome (the connection broke before the answer) is neither acknowledged nor lost.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pgreplterm.lab.fates import Fate, after_all, classify
from pgreplterm.lab.journal import Attempt, Outcome


@dataclass(frozen=True, slots=True)
class ClientView:
    """Counts of one prober's writes; downtime in seconds, None when no write was acknowledged behind the loss."""

    acked: int
    errors: int
    unknown: int
    lost_ids: tuple[int, ...]
    unknown_but_present: int
    downtime_seconds: float | None


def client_view(attempts: Sequence[Attempt], present: Collection[int], old_port: int, new_port: int) -> ClientView:
    """Compare a prober's attempts with the ids present on the new primary.

    Downtime runs from the last write the old primary acknowledged to the first the new one did.
    """
    fates = classify(attempts, [after_all(present)])
    acked = [each for each in attempts if each.outcome is Outcome.OK]
    before = [each.ended_at for each in acked if each.port == old_port]
    after = [each.ended_at for each in acked if each.port == new_port]
    return ClientView(
        acked=len(acked),
        errors=sum(each.outcome is Outcome.ERROR for each in attempts),
        unknown=sum(each.outcome is Outcome.UNKNOWN for each in attempts),
        lost_ids=fates.of(Fate.LOST),
        unknown_but_present=len(fates.of(Fate.UNKNOWN_PRESENT)),
        downtime_seconds=min(after) - max(before) if before and after else None,
    )
