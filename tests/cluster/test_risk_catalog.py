"""What a relfilenode is called: elsewhere, of indexes and TOAST tables, rewritten, and where one may not look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pgreplterm.cluster.connecting.connect import named_target
from pgreplterm.cluster.decoded.catalog import Catalog, Filenode, Kind
from pgreplterm.cluster.decoded.tables import named, tables_of
from pgreplterm.wal.changes import RelationChanges
from tests.wal.servers import EDGES, Server, scratch_folder, throwaway_server

DEFAULT = 1663


@pytest.fixture(scope="module", params=EDGES, ids=lambda major: f"pg{major}")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Two databases, the second with a table that has an index and a TOAST table, and partitions."""
    with scratch_folder() as scratch, throwaway_server(request.param, Path(scratch) / "named") as server:
        with server.connect() as session:
            session.execute("create database shop")
            session.execute("create database closed")
            session.execute("alter database closed allow_connections false")
            session.execute("create role outsider login")
            session.execute("revoke connect on database shop from public")
            session.execute("create table here (i int)")
        with server.connect("shop") as session:
            session.execute('create table "Odd name" (id int primary key, note text)')
            session.execute("create table months (at int) partition by range (at)")
            session.execute("create table january partition of months for values from (1) to (2)")
        yield server


def filenode(server: Server, database: str, relation: str) -> Filenode:
    with server.connect(database) as session:
        row = session.execute(
            "select (select oid from pg_database where datname = current_database()), pg_relation_filenode(%s)",
            (relation,),
        ).fetchone()
    assert row is not None
    return Filenode(DEFAULT, *row)


def toast_of(server: Server, database: str, relation: str) -> str:
    with server.connect(database) as session:
        row = session.execute(
            "select reltoastrelid::regclass::text from pg_class where oid = %s::regclass", (relation,)
        )
        return str((row.fetchone() or ("",))[0])


def catalog(server: Server, role: str = "postgres") -> Catalog:
    return Catalog(named_target("it", f"host={server.folder} user={role} dbname=postgres"))


def test_names_come_from_the_relations_own_database(server: Server) -> None:
    toast = toast_of(server, "shop", '"Odd name"')
    table, index, chunks, partition, here = (
        filenode(server, "shop", '"Odd name"'),
        filenode(server, "shop", '"Odd name_pkey"'),
        filenode(server, "shop", toast),
        filenode(server, "shop", "january"),
        filenode(server, "postgres", "here"),
    )
    found = catalog(server).names([table, index, chunks, partition, here])
    assert [(found[each].database, found[each].kind, found[each].table) for each in (table, index, chunks)] == [
        ("shop", Kind.TABLE, 'public."Odd name"'),
        ("shop", Kind.INDEX, 'public."Odd name"'),
        ("shop", Kind.TOAST, 'public."Odd name"'),
    ]
    assert found[index].name == 'public."Odd name_pkey"'
    assert found[chunks].name == toast
    assert found[partition].table == "public.january"
    assert (found[here].database, found[here].table) == ("postgres", "public.here")


def test_system_catalogs_are_told_apart_mapped_and_shared_ones_too(server: Server) -> None:
    mapped = filenode(server, "shop", "pg_class")
    shared = Filenode(1664, 0, filenode(server, "shop", "pg_database").relation)
    toasted = filenode(server, "shop", toast_of(server, "shop", "pg_proc"))
    found = catalog(server).names([mapped, shared, toasted])
    assert all(name.is_system for name in found.values())
    assert found[mapped].table == "pg_catalog.pg_class"
    assert (found[shared].database, found[shared].table) == (None, "pg_catalog.pg_database")


def test_a_rewritten_table_is_unknown_by_its_old_number(server: Server) -> None:
    with server.connect("shop") as session:
        session.execute("create table rewritten as select 1 as i")
        before = filenode(server, "shop", "rewritten")
        session.execute("vacuum full rewritten")
    after = filenode(server, "shop", "rewritten")
    found = catalog(server).names([before, after])
    assert found[before].table is None
    assert found[before].reason == "gone, or rewritten since"
    assert found[after].table == "public.rewritten"


def test_a_name_is_asked_for_again_until_there_is_one(server: Server) -> None:
    names = catalog(server)
    future = Filenode(DEFAULT, filenode(server, "postgres", "here").database, 4_000_000)
    assert names.names([future])[future].table is None
    with server.connect() as session:
        session.execute("drop table here")
        session.execute("create table here (i int)")
    made = filenode(server, "postgres", "here")
    assert names.names([future, made])[made].table == "public.here"


def test_where_the_role_may_not_look_the_reason_is_given(server: Server) -> None:
    table = filenode(server, "shop", '"Odd name"')
    with server.connect() as session:
        row = session.execute("select oid from pg_database where datname = 'closed'").fetchone()
        assert row is not None
        closed = Filenode(DEFAULT, row[0], 16400)
    gone = Filenode(DEFAULT, 999_999, 16400)
    found = catalog(server, "outsider").names([table, closed, gone])
    assert found[table].table is None
    assert "permission denied" in (found[table].reason or "")
    assert found[closed].reason == "its database takes no connections"
    assert found[gone].reason == "there is no database 999999 any more"


def test_a_server_that_is_down_gives_no_names_and_no_error(tmp_path: Path) -> None:
    it = Filenode(DEFAULT, 5, 16400)
    found = Catalog(named_target("it", f"host={tmp_path} user=postgres password=hunter2")).names([it])
    assert found[it].table is None
    assert found[it].reason is not None
    assert "hunter2" not in str(found[it].reason)


def change(filenode: Filenode, rows: int) -> RelationChanges:
    return RelationChanges(*filenode, rows, 0, 0, False, 100 * rows + 10, 1)


def test_rows_of_toast_tables_are_no_rows_and_all_wal_is_the_tables(server: Server) -> None:
    toast = toast_of(server, "shop", '"Odd name"')
    names = ('"Odd name"', '"Odd name_pkey"', toast, "pg_class")
    found = [filenode(server, "shop", name) for name in names]
    stranger = Filenode(DEFAULT, found[0].database, 4_000_000)
    changes = [change(each, rows) for each, rows in zip((*found, stranger), (3, 0, 50, 7, 2), strict=True)]
    rows = tables_of(changes, named(changes, catalog(server)))
    assert [(row.title, row.rows, row.is_system) for row in rows] == [
        ('shop: public."Odd name"', 3, False),
        (f"shop: {stranger}", 2, False),
        ("shop: pg_catalog.pg_class", 7, True),
    ]
    assert rows[0].bytes == 100 * 53 + 3 * 10 + 3
    assert rows[1].reason == "gone, or rewritten since"


def test_the_second_catalog_is_asked_for_what_the_first_does_not_know(server: Server) -> None:
    table = filenode(server, "shop", '"Odd name"')
    changes = [change(table, 1)]
    nowhere = Catalog(named_target("it", "host=/nonexistent user=postgres"))
    assert named(changes, nowhere, None, catalog(server))[table].table == 'public."Odd name"'
