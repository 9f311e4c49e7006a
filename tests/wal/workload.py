"""SQL that makes a server write every kind of WAL record that sessions can, in a few seconds, on majors 13 to 19.

Owns: what happens on the server, one function per family of records; the scripts for pages and for transactions that
meet each other are in workload_pages and workload_transactions.
Must not: start servers, or read the WAL it causes. Every function leaves the session in autocommit.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import psycopg

from .servers import Server
from .workload_pages import pages, run_script
from .workload_transactions import transactions

Session = psycopg.Connection[Any]

_ACCESS_METHODS = """
create table every_index (id int, word text, tags int[], spot point, day int) with (fillfactor = 70);
create index on every_index using btree (day);
create index on every_index using hash (id);
create index on every_index using gin (tags);
create index on every_index using gist (spot);
create index on every_index using spgist (spot);
create index on every_index using spgist (word);
create index on every_index using brin (day) with (pages_per_range = 2, autosummarize = off);
insert into every_index
  select n, md5(n::text), array[n % 7, n % 501, 1000], point(n % 97, n % 89), n % 40 from generate_series(1, 4000) n;
vacuum every_index;
insert into every_index
  select n, 'a' || n, array[n], point(n, n), n from generate_series(4001, 4400) n;
update every_index set day = day + 1000, tags = array[1, 2, 3] where id % 5 = 0;
update every_index set word = word || '!' where id % 11 = 0;
delete from every_index where id between 500 and 3500;
vacuum every_index;
insert into every_index select n, 'b', array[5], point(1, n), n from generate_series(1, 1500) n;
select brin_summarize_new_values('every_index_day_idx1');
select brin_desummarize_range('every_index_day_idx1', 0);
vacuum (freeze) every_index;
create index on every_index (word, id);
reindex table every_index;
"""

_STORAGE = """
create sequence counter;
select nextval('counter') from generate_series(1, 100);
alter sequence counter restart with 7;
create unlogged table forgettable (id int primary key);
create table cut_off (id serial primary key, body text);
insert into cut_off (body) select repeat('x', 50) from generate_series(1, 500);
truncate cut_off restart identity;
insert into cut_off (body) select repeat('y', 20000) from generate_series(1, 3);
insert into cut_off (id, body) values (1, 'z') on conflict (id) do update set body = excluded.body;
alter table cut_off add column extra int default 3, alter column body type varchar;
drop table cut_off;
vacuum full pg_class;
cluster every_index using every_index_day_idx;
set allow_in_place_tablespaces = on;
create tablespace elsewhere location '';
create table away (id int) tablespace elsewhere;
insert into away select generate_series(1, 100);
drop table away;
drop tablespace elsewhere;
"""

_DATABASES = """
create database copied_by_file strategy file_copy;
create database copied_by_wal strategy wal_log;
drop database copied_by_file;
drop database copied_by_wal;
"""

_DATABASE_BEFORE_15 = """
create database copied_by_file;
drop database copied_by_file;
"""


def everything(server: Server) -> None:
    """Run all of it, ending with a completed segment, a checkpoint and an uncompleted segment."""
    with server.connect() as session:
        run_script(session, _ACCESS_METHODS)
        run_script(session, _STORAGE)
        run_script(session, _DATABASES if session.info.server_version >= 150000 else _DATABASE_BEFORE_15)
        _generic_rmgr(session)
        _transactions(session)
        _messages(session)
        _origins(session)
        _control(session)
        _full_page_images(session)
        _consistency_images(session)
        _multixacts(server, session)
        pages(session)
        transactions(server, session)
        run_script(session, "checkpoint; select pg_switch_wal()")
        run_script(session, "insert into every_index select n from generate_series(1, 300) n")


def _generic_rmgr(session: Session) -> None:
    """Generic records come only from extensions; which one a build carries differs."""
    for extension, column, method in (
        ("bloom", "id int", "bloom (id)"),
        ("vector", "id vector(3)", "hnsw (id vector_l2_ops)"),
    ):
        with suppress(psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
            session.execute(f"create extension {extension}")
            session.execute(f"create table in_{extension} ({column})")
            session.execute(f"create index on in_{extension} using {method}")
            value = "n" if extension == "bloom" else "array[n, n % 7, 1]::vector(3)"
            session.execute(f"insert into in_{extension} select {value} from generate_series(1, 200) n")


def _transactions(session: Session) -> None:
    """Assignment records (more than 64 subtransactions), aborts, and both ends of two-phase commit."""
    session.execute("create table work (id int)")
    with session.transaction():
        for number in range(70):
            session.execute(f"savepoint s{number}")
            session.execute("insert into work values (%s)", (number,))
        session.execute("rollback to savepoint s60")
    with suppress(ZeroDivisionError), session.transaction():
        session.execute("insert into work values (-1)")
        raise ZeroDivisionError
    for name, end in (("kept", "commit prepared"), ("dropped", "rollback prepared")):
        session.execute("begin")
        session.execute("create table in_two_phases (id int)" if name == "dropped" else "delete from work")
        session.execute("savepoint inner_one")
        session.execute("insert into work select generate_series(1, 20)")
        session.execute(f"prepare transaction '{name}'")
        if name == "kept":
            session.execute("checkpoint")
        session.execute(f"{end} '{name}'")


def _messages(session: Session) -> None:
    """Logical messages, one of them longer than half a 1 MB segment and one longer than the whole."""
    emit = "select pg_logical_emit_message(%s, 'prefix, blkref #0: rel 1/2/3 blk 4', repeat('m', %s))"
    for transactional, size in ((True, 10), (False, 0), (True, 616_000), (False, 1_300_000)):
        session.execute(emit, (transactional, size))


def _origins(session: Session) -> None:
    """Records that carry an origin id in their own headers, and the two records of the origin manager."""
    session.execute("select pg_replication_origin_create('elsewhere')")
    session.execute("select pg_replication_origin_session_setup('elsewhere')")
    with session.transaction():
        session.execute("select pg_replication_origin_xact_setup('0/ABCDEF', now())")
        session.execute("insert into work values (1000)")
    session.execute("select pg_replication_origin_session_reset()")
    session.execute("select pg_replication_origin_advance('elsewhere', '0/ABCDFF')")
    session.execute("select pg_replication_origin_drop('elsewhere')")


def _control(session: Session) -> None:
    """XLOG's own records: restore point, backup end, and the full_page_writes switch."""
    session.execute("select pg_create_restore_point('a name')")
    session.execute("select pg_create_restore_point('ein \"Größe\", blkref #0: rel 1/2/3 blk 4')")
    if session.info.server_version >= 150000:
        session.execute("select pg_backup_start('b', true)")
        session.execute("select pg_backup_stop(false)")
    else:
        session.execute("select pg_start_backup('b', true)")
        session.execute("select pg_stop_backup()")
    for value in ("off", "on"):
        session.execute(f"alter system set full_page_writes = {value}")
        session.execute("select pg_reload_conf()")
        _checkpoint_until(session, f"full_page_writes = '{value}' from pg_control_checkpoint()")


def _checkpoint_until(session: Session, condition: str) -> None:
    """The checkpointer takes a new setting when it gets to it, which may be after the next checkpoint."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        session.execute("checkpoint")
        if session.execute(f"select {condition}").fetchone() == (True,):
            return
    raise AssertionError(f"no checkpoint had {condition}")


def _full_page_images(session: Session) -> None:
    """Images with every compression the build has, with and without a hole, each fresh after a checkpoint."""
    session.execute("create table images as select n as id, md5(n::text) as body from generate_series(1, 3000) n")
    known = session.execute("select enumvals from pg_settings where name = 'wal_compression'").fetchone()
    assert known is not None
    for method in sorted({*known[0]} - {"on"}) if known[0] else ("off", "on"):  # 13 and 14 only know pglz
        session.execute("checkpoint")
        session.execute(f"set wal_compression = {method}")
        session.execute("update images set body = body || '.' where id % 40 = 0")
        session.execute("insert into every_index select n, 'c', array[n], point(n, 1), n from generate_series(1, 9) n")
    session.execute("reset wal_compression")


def _consistency_images(session: Session) -> None:
    """Images that are only for checking: present, not to be restored (BKPIMAGE_APPLY clear)."""
    session.execute("set wal_consistency_checking = 'all'")
    session.execute("insert into every_index select n, 'd', array[n, 3], point(n, 2), n from generate_series(1, 60) n")
    session.execute("update every_index set id = id where id < 20")
    session.execute("set wal_compression = on")
    session.execute("delete from every_index where id < 20")
    session.execute("vacuum every_index")
    session.execute("select nextval('counter') from generate_series(1, 40)")
    session.execute("insert into every_index select n, 'd', array[3], point(2, n), n from generate_series(1, 60) n")
    session.execute("reset wal_compression")
    session.execute("reset wal_consistency_checking")


def _multixacts(server: Server, session: Session) -> None:
    """Two sessions that share a row lock."""
    session.execute("insert into work values (4242)")
    with server.connect() as other, session.transaction(), other.transaction():
        for each in (session, other):
            each.execute("select from work where id = 4242 for share")
