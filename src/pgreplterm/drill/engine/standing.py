"""Where a run stands: running, ended, or cut off.

Owns: that judgement, from the journal's last word and whether its process lives. Must not: change either.
"""

from __future__ import annotations

from enum import StrEnum

from pgreplterm.drill.engine import identity
from pgreplterm.drill.engine.tail import Event, Tail
from pgreplterm.drill.runs import Run

LAST_WORDS = ("done", "failed")
"""The events that end a journal."""


class Standing(StrEnum):
    """What has become of a run."""

    RUNNING = "running"
    DONE = "done"  # to its last step; the report says whether it passed
    FAILED = "failed"  # and everything was made whole again
    BROKEN = "broken"  # failed, and could not be made whole
    INTERRUPTED = "interrupted"  # its process is gone without a last word

    @property
    def wants_healing(self) -> bool:
        """Whether ``drill heal`` has something to do."""
        return self in (Standing.BROKEN, Standing.INTERRUPTED)


def last_word(run: Run) -> Event | None:
    """The event that ended it; None while there is none, and also while somebody heals it."""
    events = Tail(run.journal).news()
    return events[-1] if events and events[-1].get("event") in LAST_WORDS else None


def standing_of(run: Run) -> Standing:
    """Where it stands now."""
    alive = identity.is_alive(run)  # before the journal: it may write its last word between the two looks
    word = last_word(run)
    if word is None:
        return Standing.RUNNING if alive else Standing.INTERRUPTED
    if word["event"] == "done":
        return Standing.DONE
    return Standing.FAILED if word.get("healed", True) else Standing.BROKEN
