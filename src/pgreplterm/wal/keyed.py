"""Totals by transaction, by database, and by minute.

Owns: the table of keys (filled in C) and its lines. Must not: know names of databases; a live catalog has those.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.choice import Choice
from pgreplterm.wal.explain import percent
from pgreplterm.wal.walker import Rows, show_pages

_PLACES = 1024
_KEYED = struct.Struct("<QQQQQ")
_NO_KEY = (1 << 64) - 1
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class KeyTotals:
    """WAL of one key: bytes without images, and images as stored. key is None for records that have none."""

    key: int | None
    count: int
    record_bytes: int
    image_bytes: int

    @property
    def bytes(self) -> int:
        """Records and images together."""
        return self.record_bytes + self.image_bytes


class KeyedTotaliser:
    """Adds rows up by a number that each record has."""

    kind: ClassVar[int]

    def __init__(self) -> None:
        self._minute = ffi.new("uint64_t *", _NO_KEY)
        self._places = _PLACES
        self._table = ffi.new("walscan_keyed[]", _PLACES)

    def add(self, rows: Rows) -> None:
        """Count every record of these rows."""
        records = ffi.from_buffer("walscan_record[]", rows.records)
        blocks = ffi.from_buffer("walscan_block[]", rows.blocks)
        pages = show_pages(rows.pages)
        done = 0
        while done < rows.count:
            done += lib.walscan_add_keyed(
                self.kind, records + done, rows.count - done, blocks, pages.c, self._minute, self._table, self._places
            )
            if done < rows.count:
                self._grow()

    def table(self, choice: Choice) -> None:
        """Rows are needed."""

    def join(self, other: KeyedTotaliser) -> None:
        """Count what another has counted of the WAL behind this one's: its first minute may be this one's last."""
        instead = self._minute[0]
        while not lib.walscan_join_keyed(other._table, other._places, instead, self._table, self._places):
            self._grow()
        if other._minute[0] != _NO_KEY:
            self._minute[0] = other._minute[0]

    def _grow(self) -> None:
        larger = ffi.new("walscan_keyed[]", 2 * self._places)
        lib.walscan_join_keyed(self._table, self._places, _NO_KEY, larger, 2 * self._places)
        self._table, self._places = larger, 2 * self._places

    def totals(self) -> tuple[KeyTotals, ...]:
        """One row a key, the one with most WAL first."""
        found = [
            KeyTotals(None if key == _NO_KEY else key, *figures)
            for key, used, *figures in _KEYED.iter_unpack(bytes(ffi.buffer(self._table)))
            if used
        ]
        return tuple(sorted(found, key=lambda row: (-row.bytes, row.key or 0)))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_table": bytes(ffi.buffer(self._table)), "_minute": self._minute[0]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        table = ffi.new("walscan_keyed[]", state["_places"])
        ffi.memmove(table, state["_table"], len(state["_table"]))
        self.__dict__ |= state | {"_table": table, "_minute": ffi.new("uint64_t *", state["_minute"])}


def minute_text(key: int | None) -> str:
    """A key of BY_MINUTE as that minute in UTC; what lies before the first commit has no time."""
    if key is None:
        return "(before any commit)"
    try:
        return f"{_EPOCH + timedelta(minutes=key):%Y-%m-%d %H:%M}Z"
    except OverflowError:
        return f"minute {key}"


def key_table(heading: str, rows: Sequence[tuple[str, KeyTotals]]) -> list[str]:
    """A line a key: its share of the WAL, and the share of images in it."""
    whole = sum(row.bytes for _, row in rows)
    lines = [f"{heading:<24} {'RECORDS':>10} {'BYTES':>14} {'(%)':>8} {'IMAGE BYTES':>14} {'OF IT':>8}"]
    for name, row in rows:
        lines.append(
            f"{name:<24} {row.count:>10} {row.bytes:>14} ({percent(row.bytes, whole):6.2f}) {row.image_bytes:>14} "
            f"({percent(row.image_bytes, row.bytes):6.2f})"
        )
    return lines
