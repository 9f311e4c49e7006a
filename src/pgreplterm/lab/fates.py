"""What became of each id, from what clients were told and what was read afterwards.

Owns: the classes of a set test (Jepsen's set and set-full) and the verdict. Must not: read servers or files.

An id is judged by the last read that began after its attempt had ended. Where there is none its fate is unread, which
is no success: nobody looked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pgreplterm.lab.journal import Attempt, Outcome


class Fate(StrEnum):
    """The class of one id."""

    OK = "ok"  # acknowledged, and there
    LOST = "lost"  # acknowledged, and not there
    STALE = "stale"  # acknowledged, once not there, and there later
    UNKNOWN_PRESENT = "unknown-present"  # the answer was lost; it is there
    UNKNOWN_ABSENT = "unknown-absent"  # the answer was lost; it is not there
    RESURRECTED = "resurrected"  # the answer was lost; it was not there, and came later
    REFUSED = "refused"  # a server refused it, and it is not there
    UNEXPECTED = "unexpected"  # there, though it was refused or never tried
    DUPLICATE = "duplicate"  # there more than once
    UNREAD = "unread"  # nobody has looked since


WRONG = (Fate.LOST, Fate.UNEXPECTED, Fate.DUPLICATE)
_ANSWERED = (Fate.OK, Fate.STALE)


class Verdict(StrEnum):
    """Whether the servers kept their word."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Read:
    """All ids of one client that a node held. began_at is monotonic seconds, of this machine."""

    node: str
    began_at: float
    ids: tuple[int, ...]  # as often as each was found


def after_all(ids: Iterable[int]) -> Read:
    """A read of which it is known that it began after every attempt had ended."""
    return Read("", math.inf, tuple(ids))


@dataclass(frozen=True, slots=True)
class Fates:
    """The ids of each class, ascending; every id is in one class."""

    ids: Mapping[Fate, tuple[int, ...]]

    def of(self, fate: Fate) -> tuple[int, ...]:
        """The ids of one class."""
        return self.ids.get(fate, ())

    @property
    def verdict(self) -> Verdict:
        """A single wrong id fails; a pass needs an acknowledged id that was found, and none that nobody looked for."""
        if any(self.of(fate) for fate in WRONG):
            return Verdict.FAIL
        found = any(self.of(fate) for fate in _ANSWERED)
        return Verdict.PASS if found and not self.of(Fate.UNREAD) else Verdict.UNKNOWN


def classify(attempts: Sequence[Attempt], reads: Sequence[Read]) -> Fates:
    """Judge one client's attempts by reads of one branch of history, in any order.

    Reads of a node on another branch (the old primary) are judged apart: there an id may rightly be missing.
    """
    ordered = [(read.began_at, Counter(read.ids)) for read in sorted(reads, key=lambda read: read.began_at)]
    fates: dict[Fate, list[int]] = {}
    for attempt in sorted(attempts, key=lambda attempt: attempt.id):
        later = [found for began_at, found in ordered if began_at >= attempt.ended_at]
        fates.setdefault(_fate(attempt, later), []).append(attempt.id)
    never_tried = {number for _, found in ordered for number in found} - {attempt.id for attempt in attempts}
    if never_tried:
        fates.setdefault(Fate.UNEXPECTED, []).extend(never_tried)
    return Fates({fate: tuple(sorted(ids)) for fate, ids in fates.items()})


def _fate(attempt: Attempt, later: Sequence[Counter[int]]) -> Fate:
    if not later:
        return Fate.UNREAD
    times = later[-1][attempt.id]
    if times > 1:
        return Fate.DUPLICATE
    came_back = times == 1 and any(not found[attempt.id] for found in later)
    match attempt.outcome:
        case Outcome.OK:
            return Fate.STALE if came_back else Fate.OK if times else Fate.LOST
        case Outcome.UNKNOWN:
            return Fate.RESURRECTED if came_back else Fate.UNKNOWN_PRESENT if times else Fate.UNKNOWN_ABSENT
        case Outcome.ERROR:
            return Fate.UNEXPECTED if times else Fate.REFUSED


def missing_from(ids: Collection[int], reads: Iterable[Read]) -> Mapping[str, tuple[int, ...]]:
    """By node, which of these ids its last read did not find: after a heal, none on any node."""
    newest: dict[str, Read] = {}
    for read in reads:
        if read.node not in newest or newest[read.node].began_at <= read.began_at:
            newest[read.node] = read
    return {node: tuple(sorted(set(ids) - set(read.ids))) for node, read in newest.items()}
