"""The bulk insert of the course: so many rows in one go, and how far behind each standby was right after.

Owns: bulk-insert, its table, and the looks that follow it. Must not: leave a transaction open.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure.context import Context
from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.options import Options, Parameter
from pgreplterm.drill.measure.pattern import Pattern
from pgreplterm.drill.measure.verbs.after import FIGURES as AFTERWARDS
from pgreplterm.drill.measure.verbs.after import Looks
from pgreplterm.drill.measure.verbs.wal import DAY_1M, DAY_10M, PER_ROW, lsn_text, per_row
from pgreplterm.errors import PgReplTermError

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z")
_MODES = ("statement", "rows", "batches")

SECONDS = Pattern("insert_seconds", "Insert took", "s", "from the first statement sent to the last commit acknowledged")
ROWS = Pattern("insert_rows", "Rows inserted", "rows", "as asked for, and as the server counted them")
RATE = Pattern("insert_rows_per_second", "Rows a second", "rows/s", "rows over that time")
BEFORE = Pattern("insert_lsn_before", "LSN before the insert", "", "pg_current_wal_lsn() just before")
AFTER = Pattern("insert_lsn_after", "LSN after the insert", "", "pg_current_wal_lsn() just after the commit")
WAL = Pattern(
    "insert_wal_bytes",
    "WAL of the insert",
    "bytes",
    "LSN after minus LSN before",
    "of the insert alone, while others write: it is all WAL of that time",
)
WAL_RATE = Pattern("insert_wal_bytes_per_second", "WAL a second", "bytes/s", "that WAL over that time")


@dataclass(frozen=True, slots=True)
class _Order:
    table: str
    rows: int
    mode: str
    batch: int
    commit: str
    progress: int


def _order(options: Options) -> _Order:
    table = options.text("table")
    if not _NAME.match(table):
        raise PgReplTermError(f"measure bulk-insert: expected a table's name in lower case, found {table!r}.")
    rows, mode = options.whole("rows"), options.text("mode")
    return _Order(table, rows, mode, options.whole("batch"), options.text("commit"), options.whole("progress"))


def _bulk_insert(context: Context, options: Options) -> tuple[Figure, ...]:
    order = _order(options)
    node = context.node("primary")
    with context.talk(node) as link, Looks(context, node) as looks:
        _make_table(link, order.table)
        link.execute(f"SET synchronous_commit = '{order.commit}'")
        before, counted = _position(link), 0
        begun = time.monotonic()
        counted = _insert(link, order, context.stage.observe)
        seconds = time.monotonic() - begun
        after = _position(link)
        looks.look(after)
        return (*_inserted(counted, seconds, before, after), *looks.figures(after, options.number("settle")))


def _make_table(link: Any, table: str) -> None:
    link.execute(
        f"CREATE TABLE IF NOT EXISTS {table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " customer int NOT NULL, amount numeric(10, 2) NOT NULL, note text NOT NULL,"
        " placed_at timestamptz NOT NULL DEFAULT now())"
    )


def _position(link: Any) -> int:
    return int(link.execute("SELECT (pg_current_wal_lsn() - '0/0')::int8").fetchone()[0])


def _insert(link: Any, order: _Order, observe: Callable[[str], None]) -> int:
    """Rows that the server says it inserted."""
    if order.mode == "batches":
        return sum(_tell(_rows(link, order, each), observe) for each in _pieces(order.rows, order.batch))
    with link.transaction():
        if order.mode == "statement":
            return _rows(link, order, order.rows)
        done, begun = 0, time.monotonic()
        for each in _pieces(order.rows, order.progress or order.rows):
            link.execute(
                f"DO $$ BEGIN FOR n IN 1..{each} LOOP INSERT INTO {order.table} (customer, amount, note)"
                " VALUES (n % 1000, (n % 10000) / 100.0, md5(n::text)); END LOOP; END $$"
            )
            done += each
            observe(f"{done} rows, {done / (time.monotonic() - begun):.0f} a second")
        return done


def _pieces(rows: int, size: int) -> Iterator[int]:
    for begun in range(0, rows, size):
        yield min(size, rows - begun)


def _rows(link: Any, order: _Order, rows: int) -> int:
    done = link.execute(
        f"INSERT INTO {order.table} (customer, amount, note)"
        f" SELECT n % 1000, (n % 10000) / 100.0, md5(n::text) FROM generate_series(1, {rows}) AS n"
    )
    return int(done.rowcount)


def _tell(rows: int, observe: Callable[[str], None]) -> int:
    observe(f"{rows} rows committed")
    return rows


def _inserted(rows: int, seconds: float, before: int, after: int) -> Iterator[Figure]:
    yield SECONDS.figure(seconds)
    yield ROWS.figure(rows)
    yield RATE.figure(rows / seconds)
    yield BEFORE.figure(lsn_text(before))
    yield AFTER.figure(lsn_text(after))
    yield WAL.figure(after - before)
    yield WAL_RATE.figure((after - before) / seconds)
    yield from per_row(after - before, rows)


MEASURES = (
    Measure(
        "bulk-insert",
        "insert rows on the primary: how long, how much WAL, and how far behind each standby was right after",
        (SECONDS, ROWS, RATE, BEFORE, AFTER, WAL, WAL_RATE, PER_ROW, DAY_1M, DAY_10M, *AFTERWARDS),
        _bulk_insert,
        {
            "rows": Parameter("how many", 1000, "rows", least=1),
            "mode": Parameter(
                '"statement": one INSERT ... SELECT; "rows": an INSERT each, all in one transaction; "batches": '
                "a transaction for each batch",
                "statement",
                choices=_MODES,
            ),
            "batch": Parameter("rows of a transaction in mode batches", 1000, "rows", least=1),
            "progress": Parameter("in mode rows, tell the progress every so many", 10_000, "rows", least=0),
            "table": Parameter("where to; it is made if need be", "bulk"),
            "commit": Parameter(
                "synchronous_commit of the insert", "on", choices=("off", "local", "remote_write", "on", "remote_apply")
            ),
            "settle": Parameter("how long to wait until standbys have replayed it", 10.0, "s", least=0),
        },
    ),
)
