"""Which relation makes the WAL, and how much of that is full-page images.

Owns: the table of relations (filled in C) and its lines. Must not: know relation names; a live catalog has those.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.choice import Choice
from pgreplterm.wal.explain import percent
from pgreplterm.wal.walker import Rows

_PLACES = 1024
_RELATION = struct.Struct("<IIIIQQQQ")


@dataclass(frozen=True, slots=True)
class RelationTotals:
    """WAL of one relation; bytes without images, and images as stored. All three ids 0: records without a block."""

    tablespace: int
    database: int
    relation: int
    records: int
    record_bytes: int
    images: int
    image_bytes: int

    @property
    def name(self) -> str:
        """``tablespace/database/relfilenode``, or what stands for none."""
        if not (self.tablespace or self.database or self.relation):
            return "(no block)"
        return f"{self.tablespace}/{self.database}/{self.relation}"

    @property
    def bytes(self) -> int:
        """Records and images together."""
        return self.record_bytes + self.image_bytes


class RelationTotaliser:
    """Adds indexes up. Every byte of a record is counted once (csrc/relations.c says for which relation)."""

    def __init__(self) -> None:
        self._places = _PLACES
        self._table = ffi.new("walscan_relation[]", _PLACES)

    def add(self, rows: Rows) -> None:
        """Count every record of these rows."""
        records = ffi.from_buffer("walscan_record[]", rows.records)
        blocks = ffi.from_buffer("walscan_block[]", rows.blocks)
        done = 0
        while done < rows.count:
            done += lib.walscan_add_relations(records + done, rows.count - done, blocks, self._table, self._places)
            if done < rows.count:
                self._grow()

    def table(self, choice: Choice) -> None:
        """Rows are needed."""

    def join(self, other: RelationTotaliser) -> None:
        """Count what another has counted."""
        while self._places < 2 * other._places:
            self._grow()
        while not lib.walscan_join_relations(other._table, other._places, self._table, self._places):
            self._grow()

    def _grow(self) -> None:
        larger = ffi.new("walscan_relation[]", 2 * self._places)
        lib.walscan_join_relations(self._table, self._places, larger, 2 * self._places)
        self._table, self._places = larger, 2 * self._places

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_table": bytes(ffi.buffer(self._table))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state | {"_table": ffi.new("walscan_relation[]", state["_places"])}
        ffi.memmove(self._table, state["_table"], len(state["_table"]))

    def totals(self) -> tuple[RelationTotals, ...]:
        """One row a relation, the one with most WAL first."""
        rows = [
            RelationTotals(*fields[:3], *fields[4:])
            for fields in _RELATION.iter_unpack(bytes(ffi.buffer(self._table)))
            if fields[3]
        ]
        return tuple(sorted(rows, key=lambda row: (-row.bytes, row.name)))


def relation_table(rows: Sequence[RelationTotals]) -> list[str]:
    """A line a relation: its share of the WAL, and the share of images in it."""
    whole = sum(row.bytes for row in rows)
    lines = [
        f"{'RELATION':<24} {'RECORDS':>10} {'BYTES':>14} {'(%)':>8} {'IMAGES':>8} {'IMAGE BYTES':>14} {'OF IT':>8}"
    ]
    for row in rows:
        lines.append(
            f"{row.name:<24} {row.records:>10} {row.bytes:>14} ({percent(row.bytes, whole):6.2f}) {row.images:>8} "
            f"{row.image_bytes:>14} ({percent(row.image_bytes, row.bytes):6.2f})"
        )
    return lines
