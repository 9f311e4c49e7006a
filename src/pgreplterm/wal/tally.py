"""What ``wal stat`` counts by, each kind behind one interface.

Owns: choosing the totaliser, its table and its JSON. Must not: read files.
"""

from __future__ import annotations

from typing import Any, Protocol

from pgreplterm.wal.format import WalFormat
from pgreplterm.wal.records import RecordIndex
from pgreplterm.wal.relations import RelationTotaliser, relation_table
from pgreplterm.wal.stat import Totaliser, Totals, record_table, stat_table


class Tally(Protocol):
    """Counts indexes, then tells what it counted."""

    def add(self, index: RecordIndex) -> None:
        """Count every record of the index."""
        ...

    def lines(self) -> list[str]:
        """The table."""
        ...

    def rows(self) -> list[dict[str, Any]]:
        """The same as plain data; bytes without images and images apart."""
        ...


class _ByRmgr(Totaliser):
    def __init__(self, wal_format: WalFormat) -> None:
        super().__init__()
        self._built_in = int(wal_format.handle.last_rmgr) + 1

    def lines(self) -> list[str]:
        return stat_table(self.by_rmgr(), self._built_in)

    def rows(self) -> list[dict[str, Any]]:
        return [{"rmgr": row.rmgr_name, **_figures(row)} for row in self.by_rmgr()]


class _ByRecord(Totaliser):
    def __init__(self, wal_format: WalFormat) -> None:
        super().__init__()
        self._major = wal_format.major

    def lines(self) -> list[str]:
        return record_table(self.by_record(self._major))

    def rows(self) -> list[dict[str, Any]]:
        found = self.by_record(self._major)
        return [{"rmgr": row.rmgr_name, "record": row.record, **_figures(row)} for row in found]


class _ByRelation(RelationTotaliser):
    def lines(self) -> list[str]:
        return relation_table(self.totals())

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "tablespace": row.tablespace,
                "database": row.database,
                "relation": row.relation,
                "records": row.records,
                "record_bytes": row.record_bytes,
                "images": row.images,
                "image_bytes": row.image_bytes,
            }
            for row in self.totals()
        ]


def _figures(row: Totals) -> dict[str, int]:
    return {"count": row.count, "record_bytes": row.record_bytes, "image_bytes": row.image_bytes}


KINDS = ("rmgr", "record", "relation")


def tally_by(kind: str, wal_format: WalFormat) -> Tally:
    """An empty tally of one of KINDS."""
    if kind == "relation":
        return _ByRelation()
    return _ByRecord(wal_format) if kind == "record" else _ByRmgr(wal_format)
