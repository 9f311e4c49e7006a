"""Every fault there is, by name.

Owns: the list, and finding one by what a user typed. Must not: know what a fault does.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import (
    commits,
    link,
    network,
    process,
    recovery,
    sessions,
    slots,
    split,
    storage,
    wal_files,
    walsenders,
)
from pgreplterm.lab.faults.fault import Fault

ALL: tuple[Fault, ...] = (
    *process.FAULTS,
    *link.FAULTS,
    *network.FAULTS,
    *storage.FAULTS,
    *slots.FAULTS,
    *wal_files.FAULTS,
    *recovery.FAULTS,
    *sessions.FAULTS,
    *walsenders.FAULTS,
    *commits.FAULTS,
    *split.FAULTS,
)


def find(name: str) -> Fault:
    """The fault of that name. Raises LabError naming the nearest."""
    known = {fault.name: fault for fault in ALL}
    if name not in known:
        raise LabError(f"there is no fault {name!r}{nearest(name, known)} 'pgreplterm fault ls' lists them")
    return known[name]


def nearest(word: str, words: Iterable[str]) -> str:
    """``; did you mean 'freeze'?`` when one of the words is near, else a colon: what there is comes next."""
    meant = get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f"; did you mean {meant[0]!r}?" if meant else ":"
