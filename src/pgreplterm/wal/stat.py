"""Totals per resource manager or record type, as ``pg_waldump --stats[=record]`` counts them.

Owns: adding up rows (in C) and the table. Must not: read files.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.records import RecordIndex
from pgreplterm.wal.rmgr import record_name, rmgr_name

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
        self._table = ffi.new("walscan_total[]", 256 * 16)

    def add(self, index: RecordIndex) -> None:
        """Count every record of the index."""
        rows = ffi.from_buffer("walscan_record[]", index.rows.records)
        lib.walscan_add_totals(rows, len(index), self._table)

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
    totaliser.add(index)
    return totaliser.by_rmgr()


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
    return f"{row.name:<27} " + " ".join(f"{value:>20} ({_percent(value, total):6.2f})" for value, total in pairs)


def _closing(sums: list[int]) -> list[str]:
    count, record_bytes, image_bytes, whole = sums
    rule = "-" * 8
    shares = [f"[{_percent(part, whole):.2f}%]" for part in (record_bytes, image_bytes)]
    return [
        f"{'':<27} {rule:>20} {'':>8} {rule:>20} {'':>8} {rule:>20} {'':>8} {rule:>20}",
        f"{'Total':<27} {count:>20} {'':<9}{record_bytes:>20} {shares[0]:<9}"
        f"{image_bytes:>20} {shares[1]:<9}{whole:>20} {'[100%]':<6}",
    ]


def _percent(value: int, total: int) -> float:
    return 100.0 * value / total if total else 0.0
