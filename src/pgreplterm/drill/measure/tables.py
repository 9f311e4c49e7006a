"""What user tables hold on one node, so that two nodes can be compared.

Owns: counting rows and a checksum that does not depend on their order. Must not: connect, or judge.

Physical copies hold rows in the same places, so the first rows of a table too large to compare are the same on each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_ROWS = 1_000_000

Link = Any  # a connection, as Lab.connection() gives it

_SESSION = (
    "SELECT set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO', false),"
    " set_config('IntervalStyle', 'postgres', false), set_config('bytea_output', 'hex', false),"
    " set_config('extra_float_digits', '3', false), set_config('synchronize_seqscans', 'off', false),"
    " set_config('row_security', 'off', false)"
)
_TABLES = (
    "SELECT format('%I.%I', n.nspname, c.relname), n.nspname || '.' || c.relname FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p'"
    " AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' ORDER BY 2"
)
DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"


@dataclass(frozen=True, slots=True)
class Content:
    """Rows of one table, and the sum of the hashes of the first ``compared`` of them."""

    rows: int
    compared: int
    checksum: str

    @property
    def is_whole(self) -> bool:
        """Whether every row is in the checksum."""
        return self.compared == self.rows


Contents = Mapping[str, Content]
"""By the table's name, as in "public.orders"."""


def contents(link: Link, most_rows: int = MOST_ROWS, wanted: Sequence[str] = ()) -> Contents:
    """Every permanent user table of the connection's database, or those wanted; unlogged ones are on no standby."""
    link.execute(_SESSION)
    found: dict[str, Content] = {}
    for quoted, name in link.execute(_TABLES).fetchall():
        if not wanted or any(is_named(name, each) for each in wanted):
            found[str(name)] = _content(link, quoted, most_rows)
    return found


def is_named(name: str, asked: str) -> bool:
    """Whether "public.orders" is meant by "orders" or "public.orders"."""
    return asked in (name, name.partition(".")[2])


def _content(link: Link, quoted: str, most_rows: int) -> Content:
    rows, compared, checksum = link.execute(
        f"SELECT (SELECT count(*) FROM ONLY {quoted}), count(*),"
        " coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text"
        f" FROM (SELECT * FROM ONLY {quoted} LIMIT {int(most_rows)}) AS t"
    ).fetchone()
    return Content(int(rows), int(compared), str(checksum))


def differences(nodes: Mapping[str, Contents]) -> tuple[str, ...]:
    """Tables that are not the same on every node, each with what it is where."""
    return tuple(_difference(nodes))


def _difference(nodes: Mapping[str, Contents]) -> Iterator[str]:
    for table in dict.fromkeys(table for found in nodes.values() for table in found):
        each = {node: found.get(table) for node, found in nodes.items()}
        if len(set(each.values())) > 1:
            where = ", ".join(f"{node} {_words(content)}" for node, content in each.items())
            yield f"{table} ({where})"


def _words(content: Content | None) -> str:
    return "has none" if content is None else f"{content.rows} rows, checksum {content.checksum[-6:]}"


def limit_words(found: Contents) -> str:
    """Which tables were not compared whole; "" when all were."""
    cut = [
        f"{table} ({content.compared} of {content.rows})" for table, content in found.items() if not content.is_whole
    ]
    return f"; only the first rows compared, the rest counted: {', '.join(cut)}" if cut else ""
