"""What ``/`` understands in a list of records: an LSN to go to, or a filter.

Owns: reading the text and applying it to an index.
Must not: show anything. Raises ValueError with one sentence for a text that means nothing.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import islice

from pgreplterm.tui.wal.library import OpenSegment
from pgreplterm.wal import RecordRow
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.rmgr import rmgr_name

RMGR_IDS = range(256)


@dataclass(frozen=True, slots=True)
class Query:
    """Either a place to go to or a condition; both None is no filter at all."""

    lsn: LSN | None = None
    xid: int | None = None
    rmgrs: frozenset[int] | None = None

    @property
    def filters(self) -> bool:
        """Whether records are left out."""
        return self.xid is not None or self.rmgrs is not None


def parse_query(text: str) -> Query:
    """``0/3000148`` goes there; ``742`` or ``xid 742`` and ``heap`` (a resource manager's beginning) filter."""
    text = text.strip()
    if not text:
        return Query()
    if "/" in text:
        return Query(lsn=LSN.parse(text))
    word = text.lower().removeprefix("xid").strip(" =:")
    if word.isdigit():
        return Query(xid=int(word))
    found = frozenset(number for number in RMGR_IDS if rmgr_name(number).lower().startswith(text.lower()))
    if not found:
        raise ValueError(f"expected an LSN, an xid or a resource manager, found {text!r}")
    return Query(rmgrs=found)


def matching(opened: OpenSegment, query: Query) -> array[int]:
    """The numbers of the records a filter lets through, in order."""
    rows = islice(opened.index, opened.count)
    return array("Q", (number for number, row in enumerate(rows) if _passes(row, query)))


def _passes(row: RecordRow, query: Query) -> bool:
    if query.xid is not None and row.xid != query.xid:
        return False
    return query.rmgrs is None or row.rmgr in query.rmgrs
