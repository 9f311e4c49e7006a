"""What a relfilenode is called: WAL knows numbers, a live catalog knows names.

Owns: one short session for each database asked about, and what that catalog says of a relfilenode now.
Must not: read WAL. A relation dropped, or rewritten since (TRUNCATE, VACUUM FULL and CLUSTER do that), is unknown
and keeps its numbers; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import make_conninfo

from pgreplterm.cluster.connecting.connect import Target, scrub, secrets_of

_DATABASES = "SELECT oid::bigint, datname, datallowconn FROM pg_catalog.pg_database"
# Indexes lead to their table, and TOAST tables (and their indexes) to the table whose values they hold.
_NAMES = """
SELECT asked.tablespace::bigint, asked.relation::bigint, itself.relkind::text, space.nspname,
       pg_catalog.format('%%I.%%I', space.nspname, itself.relname),
       pg_catalog.format('%%I.%%I', owners.nspname, owner.relname)
  FROM unnest(%s::text[]::oid[], %s::text[]::oid[]) AS asked (tablespace, relation)
  JOIN pg_catalog.pg_class AS itself ON itself.oid = CASE
       WHEN asked.tablespace = 0 THEN asked.relation
       ELSE pg_catalog.pg_filenode_relation(asked.tablespace, asked.relation) END
  LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = itself.oid
  JOIN pg_catalog.pg_class AS body ON body.oid = coalesce(i.indrelid, itself.oid)
  LEFT JOIN pg_catalog.pg_class AS toasted ON body.relkind = 't' AND toasted.reltoastrelid = body.oid
  JOIN pg_catalog.pg_class AS owner ON owner.oid = coalesce(toasted.oid, body.oid)
  JOIN pg_catalog.pg_namespace AS space ON space.oid = itself.relnamespace
  JOIN pg_catalog.pg_namespace AS owners ON owners.oid = owner.relnamespace
"""
_GONE = "gone, or rewritten since"
_SYSTEM_SCHEMAS = ("pg_catalog.", "information_schema.")


class Filenode(NamedTuple):
    """A relation as WAL names it; database is 0 for one that all databases share.

    tablespace is 0 where WAL names the relation's oid instead of its file, as TRUNCATE records do.
    """

    tablespace: int
    database: int
    relation: int

    def __str__(self) -> str:
        """As pg_waldump prints it."""
        return f"{self.tablespace}/{self.database}/{self.relation}"


class Kind(StrEnum):
    """What holds the relfilenode."""

    TABLE = "table"
    INDEX = "index"
    TOAST = "toast"
    SEQUENCE = "sequence"
    UNKNOWN = "unknown"


_KINDS = {"r": Kind.TABLE, "m": Kind.TABLE, "p": Kind.TABLE, "t": Kind.TOAST, "S": Kind.SEQUENCE}
_KINDS |= dict.fromkeys("iI", Kind.INDEX)


@dataclass(frozen=True, slots=True)
class Named:
    """What a catalog says of one relfilenode, as unscrubbed server text.

    name is the relation's own schema.name, table that of the table it belongs to (itself for a table, a partition as
    itself). All three are None where unknown, and reason says why. database is None for shared relations, too.
    """

    filenode: Filenode
    kind: Kind = Kind.UNKNOWN
    database: str | None = None
    name: str | None = None
    table: str | None = None
    reason: str | None = None

    @property
    def is_system(self) -> bool:
        """A system catalog, its index or its TOAST table: rows of it are DDL, not data."""
        return self.table is not None and self.table.startswith(_SYSTEM_SCHEMAS)


@dataclass(frozen=True, slots=True)
class _Database:
    name: str
    takes_connections: bool


class Catalog:
    """The catalogs of one server, each asked in its own database; what was found is not asked for again."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._secrets = secrets_of(target.conninfo)
        self._known: dict[Filenode, Named] = {}
        self._databases: dict[int, _Database] = {}

    def names(self, filenodes: Iterable[Filenode]) -> dict[Filenode, Named]:
        """What each is called now. Never raises: what cannot be asked is unknown, with the reason."""
        wanted = set(filenodes)
        missing: dict[int, list[Filenode]] = {}
        for filenode in sorted(wanted - self._known.keys()):
            missing.setdefault(filenode.database, []).append(filenode)
        unknown: dict[Filenode, Named] = {}
        for database, group in missing.items():
            for each, name in self._asked(database, group).items():
                (unknown if name.table is None else self._known)[each] = name
        return {each: self._known.get(each) or unknown[each] for each in wanted}

    def _asked(self, oid: int, group: list[Filenode]) -> dict[Filenode, Named]:
        name: str | None = None
        try:
            name = self._database(oid)
            rows = self._rows(
                _NAMES, name, ([str(each.tablespace) for each in group], [str(each.relation) for each in group])
            )
        except _Unknown as unknown:
            return {each: Named(each, reason=str(unknown)) for each in group}
        except psycopg.Error as error:
            return {each: Named(each, database=name, reason=self._said(error)) for each in group}
        nameless = {each: Named(each, database=name, reason=_GONE) for each in group}
        return nameless | dict(_named(oid, name, row) for row in rows)

    def _database(self, oid: int) -> str | None:
        """The database to connect to for relations of that one; None is the one the DSN names."""
        if oid == 0:
            return None
        if oid not in self._databases:
            rows = self._rows(_DATABASES, None)
            self._databases = {number: _Database(name, takes) for number, name, takes in rows}
        found = self._databases.get(oid)
        if found is None:
            raise _Unknown(f"there is no database {oid} any more")
        if not found.takes_connections:
            raise _Unknown("its database takes no connections")
        return found.name

    def _rows(self, statement: str, database: str | None, parameters: tuple[Any, ...] = ()) -> list[Any]:
        conninfo = self._target.conninfo
        if database is not None:
            conninfo = make_conninfo(conninfo, dbname=database)
        with psycopg.connect(conninfo, autocommit=True) as session:
            return session.execute(statement.encode(), parameters or None).fetchall()

    def _said(self, error: psycopg.Error) -> str:
        text = error.diag.message_primary or str(error)
        line = (text.strip().splitlines() or [type(error).__name__])[0]  # libpq puts the server's hints behind it
        return scrub(line.rpartition("FATAL:")[2].strip(), *self._secrets).rstrip(".")


class _Unknown(Exception):
    """Why a database's catalog cannot be asked."""


def _named(oid: int, database: str | None, row: Any) -> tuple[Filenode, Named]:
    tablespace, relation, relkind, space, name, table = row
    filenode = Filenode(tablespace, oid, relation)
    kind = _KINDS.get(relkind, Kind.UNKNOWN)
    # A TOAST table that has lost its owner in between belongs to nobody we know.
    owner = None if kind is Kind.TOAST and space == "pg_toast" and table == name else table
    return filenode, Named(filenode, kind, database, name, owner)
