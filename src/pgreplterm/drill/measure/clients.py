"""What the clients of a run saw: their writes by outcome and by fate, and how long nobody served them.

Owns: downtime, gaps and counts, of each client and of all, as pure functions of their attempts; reading the journals.
Must not: read servers.

An unknown outcome (the connection broke before the answer, or a wait for a synchronous standby was cancelled) is
neither acknowledged nor lost. An id is lost when its write was acknowledged and no read after it found it.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pgreplterm.lab.fates import Fate, Fates, Read, classify
from pgreplterm.lab.journal import Attempt, Outcome, client_of, read_journal


@dataclass(frozen=True, slots=True)
class Gap:
    """Seconds between two acknowledgements, and when the first of them came, epoch seconds."""

    seconds: float
    at: float


@dataclass(frozen=True, slots=True)
class ClientSeen:
    """One client. downtime is None when it was not acknowledged on both sides of the moment; gap with fewer than two.

    lost_there are lost ids that the old primary still had before it was rewound; None when it was not read.
    """

    client: int
    acknowledged: int
    errors: int
    unknown: int
    downtime: float | None
    gap: Gap | None
    fates: Fates
    lost_there: tuple[int, ...] | None = None

    @property
    def failed(self) -> int:
        """Attempts that brought no acknowledgement."""
        return self.errors + self.unknown


def attempts_of(journals: Iterable[Path]) -> dict[int, tuple[Attempt, ...]]:
    """Every client's attempts by its number. Raises OSError, ValueError."""
    return {client_of(path): read_journal(path) for path in journals}


def ended_epoch(attempt: Attempt) -> float:
    """When it ended, epoch seconds: sent by the wall clock, and as long as the monotonic clock says."""
    return attempt.sent_epoch + (attempt.ended_at - attempt.sent_at)


def acknowledged(attempts: Iterable[Attempt]) -> list[Attempt]:
    """Those the server said yes to."""
    return [each for each in attempts if each.outcome is Outcome.OK]


def downtime_around(attempts: Sequence[Attempt], moment: float) -> float | None:
    """From the last acknowledgement up to that moment (epoch seconds) to the first after it."""
    ended = [ended_epoch(each) for each in acknowledged(attempts)]
    before, after = [at for at in ended if at <= moment], [at for at in ended if at > moment]
    return min(after) - max(before) if before and after else None


def downtime_between(attempts: Sequence[Attempt], old_port: int, new_port: int) -> float | None:
    """From the last write that the server on one port acknowledged to the first that the other did."""
    acked = acknowledged(attempts)
    before = [each.ended_at for each in acked if each.port == old_port]
    after = [each.ended_at for each in acked if each.port == new_port and (not before or each.ended_at > max(before))]
    return min(after) - max(before) if before and after else None


def longest_gap(attempts: Sequence[Attempt], since: float | None = None, until: float | None = None) -> Gap | None:
    """The longest time between two acknowledgements; with an until also the time from the last one to then."""
    ended = [ended_epoch(each) for each in acknowledged(attempts)]
    ended = [at for at in ended if (since is None or at >= since) and (until is None or at <= until)]
    if until is not None and ended:
        ended.append(until)
    gaps = [Gap(later - earlier, earlier) for earlier, later in itertools.pairwise(ended)]
    return max(gaps, key=lambda gap: gap.seconds, default=None)


def seen(
    client: int,
    attempts: Sequence[Attempt],
    reads: Sequence[Read],
    downtime: float | None,
    old_branch: Collection[int] | None = None,
) -> ClientSeen:
    """One client, judged by reads of the branch that lives on; old_branch are its ids on the one that was given up."""
    fates = classify(attempts, reads)
    there = None if old_branch is None else tuple(each for each in fates.of(Fate.LOST) if each in set(old_branch))
    return ClientSeen(
        client=client,
        acknowledged=len(acknowledged(attempts)),
        errors=sum(each.outcome is Outcome.ERROR for each in attempts),
        unknown=sum(each.outcome is Outcome.UNKNOWN for each in attempts),
        downtime=downtime,
        gap=longest_gap(attempts),
        fates=fates,
        lost_there=there,
    )


def counted(clients: Iterable[ClientSeen]) -> Mapping[Fate, int]:
    """Ids of all clients by fate, each class there is."""
    totals = dict.fromkeys(Fate, 0)
    for client in clients:
        for fate in Fate:
            totals[fate] += len(client.fates.of(fate))
    return totals
