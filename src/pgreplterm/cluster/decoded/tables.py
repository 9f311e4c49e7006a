"""Changes of relation files as changes of tables, by name.

Owns: folding indexes and TOAST tables into the table they belong to. Must not: ask a catalog itself; callers bring the
names. What has no name keeps its numbers and is a row of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pgreplterm.cluster.decoded.catalog import Catalog, Filenode, Kind, Named
from pgreplterm.wal.changes import RelationChanges


@dataclass(frozen=True, slots=True)
class TableChanges:
    """Rows of one table, and the WAL of it, its indexes and its TOAST table, in bytes.

    table is schema.name, or tablespace/database/relfilenode where reason says why the name is unknown; database is its
    name, None for what all databases share or where unknown. Both are unscrubbed server text. truncated: emptied, or
    its file removed.
    """

    database: str | None
    table: str
    inserted: int
    updated: int
    deleted: int
    truncated: bool
    bytes: int
    is_system: bool = False
    reason: str | None = None

    @property
    def rows(self) -> int:
        """Rows inserted, updated and deleted."""
        return self.inserted + self.updated + self.deleted

    @property
    def title(self) -> str:
        """The table and its database."""
        return self.table if self.database is None else f"{self.database}: {self.table}"


def tables_of(changes: Iterable[RelationChanges], names: Mapping[Filenode, Named]) -> tuple[TableChanges, ...]:
    """One row a table, the one with most rows first; system catalogs last."""
    tables: dict[tuple[str | None, str], TableChanges] = {}
    for each in changes:
        row = _row(each, names.get(_filenode(each), Named(_filenode(each))))
        key = (row.database, row.table)
        tables[key] = _plus(tables[key], row) if key in tables else row
    return tuple(sorted(tables.values(), key=lambda row: (row.is_system, -row.rows, -row.bytes, row.title)))


def named(changes: Iterable[RelationChanges], *catalogs: Catalog | None) -> dict[Filenode, Named]:
    """What the first of the catalogs that knows it calls each relation file."""
    names = {filenode: Named(filenode, reason="no catalog to ask") for filenode in map(_filenode, changes)}
    for catalog in catalogs:
        unknown = [filenode for filenode, name in names.items() if name.table is None]
        if catalog is not None and unknown:
            names |= catalog.names(unknown)
    return names


def table_json(row: TableChanges) -> dict[str, Any]:
    """One table as plain data; keys are a contract."""
    return {
        "database": row.database,
        "table": row.table,
        "inserted": row.inserted,
        "updated": row.updated,
        "deleted": row.deleted,
        "truncated": row.truncated,
        "bytes": row.bytes,
        "system": row.is_system,
        "unknown_because": row.reason,
    }


def _filenode(each: RelationChanges) -> Filenode:
    return Filenode(each.tablespace, each.database, each.relation)


def _row(each: RelationChanges, name: Named) -> TableChanges:
    """An index has no rows, and the rows of a TOAST table are pieces of values, so only the table's own count."""
    row = TableChanges(
        database=name.database,
        table=name.table if name.table is not None else str(name.filenode),
        inserted=each.inserted,
        updated=each.updated,
        deleted=each.deleted,
        truncated=each.truncated or each.dropped,
        bytes=each.record_bytes + each.image_bytes,
        is_system=name.is_system,
        reason=None if name.table is not None else name.reason,
    )
    if name.kind in (Kind.TABLE, Kind.UNKNOWN):
        return row
    return replace(row, inserted=0, updated=0, deleted=0, truncated=False)


def _plus(one: TableChanges, other: TableChanges) -> TableChanges:
    return replace(
        one,
        inserted=one.inserted + other.inserted,
        updated=one.updated + other.updated,
        deleted=one.deleted + other.deleted,
        truncated=one.truncated or other.truncated,
        bytes=one.bytes + other.bytes,
    )
