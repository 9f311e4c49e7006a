"""Totals per resource manager or record type, as ``pg_waldump --stats[=record]`` counts them.

Owns: adding up rows (in C) and the table. Must not: read files.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.choice import Choice
from pgreplterm.wal.explain import percent
from pgreplterm.wal.records import RecordIndex
from pgreplterm.wal.rmgr import record_name, rmgr_name
from pgreplterm.wal.walker import Rows

_TOTAL = struct.Struct("<QQQ")


@dataclass(frozen=True, slots=True)
class Totals:
    """Records and bytes of one resource manager, or of one record type of it.

    record_bytes leaves images out, as pg_waldump does.
    """

    rmgr: int
    count: int
    record_bytes: int
    image_bytes: int
    record: str | None = None

    @property
    def rmgr_name(self) -> str:
        """The resource manager's name."""
        return rmgr_name(self.rmgr)

    @property
    def name(self) -> str:
        """What pg_waldump's first column says: the resource manager, or ``RMGR/RECORD``."""
        return self.rmgr_name if self.record is None else f"{self.rmgr_name}/{self.record}"

    @property
    def bytes(self) -> int:
        """Records and images together."""
        return self.record_bytes + self.image_bytes


class Totaliser:
    """Adds indexes up; one pass in C each."""

    def __init__(self) -> None:
        self._table = ffi.new("walscan_total[]", lib.WALSCAN_TOTALS)

    def add(self, rows: Rows) -> None:
        """Count every record of these rows."""
        lib.walscan_add_totals(ffi.from_buffer("walscan_record[]", rows.records), rows.count, self._table)

    def table(self, choice: Choice) -> Any:
        """The C totals, for a walk that chooses nothing."""
        return self._table if choice == Choice() else None

    def join(self, other: Totaliser) -> None:
        """Count what another has counted."""
        lib.walscan_join_totals(other._table, self._table)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_table": bytes(ffi.buffer(self._table))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state | {"_table": ffi.new("walscan_total[]", lib.WALSCAN_TOTALS)}
        ffi.memmove(self._table, state["_table"], len(state["_table"]))

    def by_rmgr(self) -> tuple[Totals, ...]:
        """One row a resource manager that occurred, by id."""
        kinds: dict[int, list[tuple[int, int, int]]] = {}
        for rmgr, _, figures in self._occurred():
            kinds.setdefault(rmgr, []).append(figures)
        return tuple(Totals(rmgr, *_sum(figures)) for rmgr, figures in kinds.items())

    def by_record(self, major: int) -> tuple[Totals, ...]:
        """One row a record type that occurred, by id and info; the names are those of that major."""
        return tuple(
            Totals(rmgr, *figures, record=record_name(major, rmgr, kind << 4))
            for rmgr, kind, figures in self._occurred()
        )

    def _occurred(self) -> Iterator[tuple[int, int, tuple[int, int, int]]]:
        for place, figures in enumerate(_TOTAL.iter_unpack(bytes(ffi.buffer(self._table)))):
            if figures[0]:
                yield place // 16, place % 16, figures


def _sum(figures: Sequence[tuple[int, int, int]]) -> tuple[int, int, int]:
    counts, record_bytes, image_bytes = zip(*figures, strict=True)
    return sum(counts), sum(record_bytes), sum(image_bytes)


def totals(index: RecordIndex) -> tuple[Totals, ...]:
    """Totals per resource manager of one index."""
    totaliser = Totaliser()
    totaliser.add(index.rows)
    return totaliser.by_rmgr()


def range_line(first: int, end: int, major: int) -> list[str]:
    """What pg_waldump --stats says above its table since 15: where its first record began and its last ended (LSNs)."""
    digits = 8 if major >= 19 else 1
    begin, behind = (f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:0{digits}X}" for lsn in (first, end))
    return [f"WAL statistics between {begin} and {behind}:"] if major >= 15 else []


def stat_table(rows: Sequence[Totals], built_in: int) -> list[str]:
    """The lines of ``pg_waldump --stats`` (XLogDumpDisplayStats, same columns and widths).

    Every built-in resource manager has a line (built_in of them), custom ones only where they occur.
    """
    present = {row.rmgr: row for row in rows}
    shown = [present.get(rmgr, Totals(rmgr, 0, 0, 0)) for rmgr in range(built_in)]
    return _table([*shown, *(row for row in rows if row.rmgr >= built_in)])


def record_table(rows: Sequence[Totals]) -> list[str]:
    """The lines of ``pg_waldump --stats=record``: a line a record type that occurred."""
    return _table(rows)


def _table(rows: Sequence[Totals]) -> list[str]:
    sums = [sum(figures) for figures in zip(*map(_figures, rows), strict=True)] or [0, 0, 0, 0]
    return [*_heading(), *(_line(row, sums) for row in rows), *_closing(sums)]


def _figures(row: Totals) -> tuple[int, int, int, int]:
    return row.count, row.record_bytes, row.image_bytes, row.bytes


def _heading() -> list[str]:
    names = ("Type", "N", "(%)", "Record size", "(%)", "FPI size", "(%)", "Combined size", "(%)")
    words = (names, tuple("-" * max(len(name.strip("()")), 1) if name != "(%)" else "---" for name in names))
    return ["{:<27} {:>20} {:>8} {:>20} {:>8} {:>20} {:>8} {:>20} {:>8}".format(*line) for line in words]


def _line(row: Totals, sums: list[int]) -> str:
    pairs = zip(_figures(row), sums, strict=True)
    return f"{row.name:<27} " + " ".join(f"{value:>20} ({percent(value, total):6.2f})" for value, total in pairs)


def _closing(sums: list[int]) -> list[str]:
    count, record_bytes, image_bytes, whole = sums
    rule = "-" * 8
    shares = [f"[{percent(part, whole):.2f}%]" for part in (record_bytes, image_bytes)]
    return [
        f"{'':<27} {rule:>20} {'':>8} {rule:>20} {'':>8} {rule:>20} {'':>8} {rule:>20}",
        f"{'Total':<27} {count:>20} {'':<9}{record_bytes:>20} {shares[0]:<9}"
        f"{image_bytes:>20} {shares[1]:<9}{whole:>20} {'[100%]':<6}",
    ]
