"""Transactions as they seldom are: sharing rows, prepared elsewhere, holding many ids, and frozen away at the end.

Owns: what sessions do to each other on one server. Must not: start servers, or read the WAL this causes.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psycopg

from .servers import Server
from .workload_pages import run_script

Session = psycopg.Connection[Any]

# What two transactions do to one row while both are open; then every lock of a multixact's member has been seen.
_SHARED_ROWS = (
    ("select from locked where id = {} for key share", "select from locked where id = {} for share"),
    ("select from locked where id = {} for key share", "select from locked where id = {} for no key update"),
    ("select from locked where id = {} for key share", "update locked set n = n + 1 where id = {}"),
    ("update locked set n = n + 1 where id = {}", "select from locked where id = {} for key share"),
)

# A sub-transaction's lock beside its parent's makes a multixact; a page of their log holds 2,048 of them.
_MANY_MULTIXACTS = """
do $$ begin
  for n in 1..2200 loop
    perform from shared for key share;
    begin update shared set id = n; exception when division_by_zero then null; end;
    if n % 50 = 0 then commit; end if;
  end loop;
end $$"""

# A page of the commit log holds 32,768 transactions, a file of commit timestamps 26,208.
_MANY_TRANSACTIONS = "do $$ begin for n in 1..33500 loop perform pg_current_xact_id(); commit; end loop; end $$"

_DIRECTORIES = """
create tablespace roomy location '{folder}';
create database spread tablespace roomy;
alter database spread set tablespace pg_default;
drop database spread;
create table moved as select generate_series(1, 300) n;
alter table moved set tablespace roomy;
drop table moved;
drop tablespace roomy;
"""


def transactions(server: Server, session: Session) -> None:
    """Run all of it. The server may be of any supported major."""
    _speculative_insertions(session)
    _row_locks(server, session)
    _many_running(server, session)
    _two_phases(session)
    _rewritten_catalogs(session)
    _decoding_for_a_while(session)
    _directories(server, session)
    run_script(session, "create table shared (id int);insert into shared values (1)")
    session.execute(_MANY_MULTIXACTS)
    session.execute(_MANY_TRANSACTIONS)
    _freeze_everything(server, session)


def _speculative_insertions(session: Session) -> None:
    session.execute("create table speculative (id int primary key, n int default 0)")
    upsert = "insert into speculative select i from generate_series(1, 30) i on conflict (id) do "
    for action in ("update set n = 1", "update set n = 1", "nothing"):
        session.execute(upsert + action)


def _row_locks(server: Server, session: Session) -> None:
    """Every strength of lock: alone, shared between transactions, on a row that was updated, and by subtransactions."""
    session.execute("create table locked (id int primary key, n int)")
    session.execute("insert into locked select i, i from generate_series(1, 20) i")
    for number, strength in enumerate(("key share", "share", "no key update", "update"), start=1):
        session.execute(f"select from locked where id = {number} for {strength}")
    with server.connect() as other:
        for number, (first, second) in enumerate(_SHARED_ROWS, start=5):
            with session.transaction(), other.transaction():
                session.execute(first.format(number))
                other.execute(second.format(number))
        with session.transaction():
            session.execute("update locked set n = -n where id = 12")
            with other.transaction():
                other.execute("select from locked where id = 12 for key share")
            session.execute("update locked set n = -n where id = 12")
    with session.transaction():
        session.execute("select from locked where id = 13 for share")
        for name, what in (("a", "update locked set n = 0 where id = 13"), ("b", "delete from locked where id = 13")):
            session.execute(f"savepoint {name}")
            session.execute(what)
    session.execute("vacuum (freeze) locked")


def _many_running(server: Server, session: Session) -> None:
    """Checkpoints that list running transactions: a few with subtransactions and locks, then more than fit."""
    with server.connect() as other, other.transaction():
        other.execute("lock table locked")
        for number in range(70):
            other.execute(f"savepoint s{number}")
            other.execute("insert into burnt values (1)")
            if number in (3, 69):
                session.execute("checkpoint")


def _two_phases(session: Session) -> None:
    """Prepared transactions that make and drop relations, carry invalidations and subtransactions, and an origin."""
    session.execute("select pg_replication_origin_create('two phases')")
    for name, end in (('it\'s "first"; rel 1/2/3', "commit prepared"), ("zweite Höhe", "rollback prepared")):
        quoted = name.replace("'", "''")
        table = end.split()[0]
        session.execute(f"create table prepared_{table} (id int primary key)")
        session.execute("select pg_replication_origin_session_setup('two phases')")
        session.execute("begin")
        session.execute("select pg_replication_origin_xact_setup('0/12345678', now())")
        session.execute(f"drop table prepared_{table}")
        session.execute(f"create table made_{table} (id int primary key)")
        for number in range(3):
            session.execute(f"savepoint s{number}")
            session.execute(f"insert into made_{table} values ({number})")
        session.execute("select pg_logical_emit_message(true, 'p', '\\x00ff0a22'::bytea)")
        session.execute(f"prepare transaction '{quoted}'")
        session.execute(f"{end} '{quoted}'")
        session.execute("select pg_replication_origin_session_reset()")
    session.execute("select pg_replication_origin_drop('two phases')")


def _rewritten_catalogs(session: Session) -> None:
    """Catalogs rewritten while a logical slot may still need their old rows."""
    if session.execute("show wal_level").fetchone() != ("logical",):
        return
    run_script(session, """
        create table for_decoding (id int) with (user_catalog_table = on);
        select pg_create_logical_replication_slot('decoding', 'pgoutput');
        insert into for_decoding select generate_series(1, 200);
        update for_decoding set id = id + 1;
        vacuum full for_decoding;
        vacuum full pg_attribute;
        select pg_drop_replication_slot('decoding')""")  # fmt: skip


def _decoding_for_a_while(session: Session) -> None:
    """From 19 on a logical slot turns logical decoding on at wal_level=replica, and its end turns it off."""
    if session.info.server_version >= 190000 and session.execute("show wal_level").fetchone() == ("replica",):
        session.execute("select pg_create_logical_replication_slot('briefly', 'pgoutput')")
        session.execute("select pg_drop_replication_slot('briefly')")


def _directories(server: Server, session: Session) -> None:
    folder = server.folder / "a tablespace"
    folder.mkdir()
    server.account.own(folder)
    run_script(session, _DIRECTORIES.format(folder=folder))


def _freeze_everything(server: Server, session: Session) -> None:
    """Leave no old transaction id or multixact in any database, so that the logs of both are cut."""
    with suppress(psycopg.errors.InvalidCatalogName):
        session.execute("alter database template0 is_template false")
        session.execute("drop database template0")
    with server.connect("template1") as other:
        for each in (other, session):
            each.execute("set vacuum_multixact_freeze_min_age = 0")
            each.execute("vacuum (freeze)")
    session.execute("reset vacuum_multixact_freeze_min_age")
