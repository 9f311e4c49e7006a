"""SQL that makes a server write the records of pages that fill, split, empty, merge and are reused.

Owns: one script for each access method. Must not: start servers, or read the WAL it causes.
"""

from __future__ import annotations

from typing import Any

import psycopg

Session = psycopg.Connection[Any]

# In the scripts, {burn} takes transaction ids, so that no snapshot can still want the pages freed before it, and
# {index_scan} has the next query walk the index, which marks the entries of dead rows.
_PARTS = {
    "burn": "".join(f"insert into burnt values ({n});" for n in range(3)),
    "index_scan": "set enable_seqscan = off; set enable_bitmapscan = off;",
    "versions": "".join(f"update btree_versions set other = other + {n} where id % 3 < 2;" for n in range(1, 8)),
}

_BTREE = """
create table btree_pages as select n as id, 'w' || n % 300 as word from generate_series(1, 8000) n;
create index btree_ids on btree_pages (id);
create index btree_words on btree_pages (word);
delete from btree_pages where id < 7900;
vacuum btree_pages;
{burn}
vacuum btree_pages;
insert into btree_pages select 100000 - n, 'w' || n % 300 from generate_series(1, 3000) n;
insert into btree_pages select (n * 7919) % 80000, md5(n::text) from generate_series(1, 2000) n;
{burn}
create table btree_dead (id int);
create index btree_dead_ids on btree_dead (id);
insert into btree_dead select n % 100 from generate_series(1, 340) n;
delete from btree_dead where id < 60;
{index_scan} select count(*) from (select id from btree_dead where id between 0 and 99 order by id) t;
insert into btree_dead select n * 3 from generate_series(1, 300) n;
create table btree_versions (id int primary key, other int, unchanged int) with (fillfactor = 100);
create index on btree_versions (unchanged);
create index on btree_versions (other);
insert into btree_versions select n, n, n % 10 from generate_series(1, 1000) n;
{versions}
vacuum btree_versions;
"""

_HASH = """
create table hash_pages (id int);
create index hash_ids on hash_pages using hash (id);
insert into hash_pages select n % 8 from generate_series(1, 3000) n;
insert into hash_pages select n from generate_series(1, 2500) n;
delete from hash_pages where ctid < '(20, 0)' and id % 3 > 0;
vacuum hash_pages;
delete from hash_pages where id % 20 > 1;
vacuum hash_pages;
insert into hash_pages select n from generate_series(1, 1500) n;
create table hash_dead (id int);
create index on hash_dead using hash (id);
insert into hash_dead select 7 from generate_series(1, 700) n;
delete from hash_dead;
{index_scan} select count(*) from hash_dead where id = 7;
insert into hash_dead select 7 from generate_series(1, 700) n;
"""

_GIN = """
create table gin_pages as select array[1, n % 500] as tags, array[n] as other from generate_series(1, 22000) n;
create index gin_tags on gin_pages using gin (tags) with (fastupdate = off);
create index gin_other on gin_pages using gin (other);
vacuum gin_pages;
delete from gin_pages where ctid > '(5, 0)' and ctid < '(250, 0)';
vacuum gin_pages;
insert into gin_pages select array[1, n], array[n] from generate_series(1, 3000) n;
{burn}
vacuum gin_pages;
insert into gin_pages select array[1, n], array[n] from generate_series(1, 3000) n;
"""

_GIST = """
create table gist_pages as select point(n % 150, n / 150) as spot from generate_series(1, 3000) n;
create index gist_spots on gist_pages using gist (spot);
delete from gist_pages where spot <@ box '((0,0),(150,20))';
vacuum gist_pages;
{burn}
vacuum gist_pages;
insert into gist_pages select point(n % 150, n / 150) from generate_series(1, 3000) n;
create table gist_dead (spot point);
create index on gist_dead using gist (spot);
insert into gist_dead select point(n, n) from generate_series(1, 1000) n;
delete from gist_dead;
{index_scan} select count(*) from gist_dead where spot <@ box '((0,0),(1000,1000))';
insert into gist_dead select point(n, n) from generate_series(1, 1000) n;
"""

_SPGIST = """
create table spgist_pages (word text, spot point);
create index on spgist_pages using spgist (word);
create index on spgist_pages using spgist (spot);
insert into spgist_pages select 'prefix in common ' || n, point(n, 1) from generate_series(1, 150) n;
delete from spgist_pages where spot[0] < 20;
vacuum spgist_pages;
insert into spgist_pages select 'prefix in common ' || n, point(n % 70, n) from generate_series(1, 1500) n;
insert into spgist_pages select 'pre' || chr(65 + n % 50) || repeat('x', n % 5), point(n, n)
  from generate_series(1, 999) n;
insert into spgist_pages select md5(n::text), point(n % 31, n % 37) from generate_series(1, 1500) n;
delete from spgist_pages where spot[0] between 5 and 3000;
vacuum spgist_pages;
{burn}
vacuum spgist_pages;
insert into spgist_pages select md5(n::text), point(n % 31, n % 37) from generate_series(1, 800) n;
vacuum spgist_pages;
create table spgist_root (word text);
create index on spgist_root using spgist (word);
insert into spgist_root select 'w' || n from generate_series(1, 20) n;
delete from spgist_root where ctid < '(0, 10)';
vacuum spgist_root;
"""

# Summaries that outgrow the page they are on move to another one, sometimes to a new one.
_BRIN = """
create table brin_pages (id int, word text) with (fillfactor = 10);
create index brin_words on brin_pages using brin (word, id) with (pages_per_range = 1);
insert into brin_pages select n, 'w' || n from generate_series(1, 3000) n;
select brin_summarize_new_values('brin_words');
insert into brin_pages select n, repeat(chr(97 + n % 26), 700) from generate_series(1, 60) n;
select brin_summarize_new_values('brin_words');
update brin_pages set word = repeat(md5(id::text), 30) where id < 900 and id % 3 = 0;
delete from brin_pages where id between 1000 and 1200;
select brin_desummarize_range('brin_words', n) from generate_series(1, 9) n;
vacuum brin_pages;
insert into brin_pages select n, repeat(md5(n::text), 40) from generate_series(1, 1500) n;
"""

_HEAP = """
create table heap_pages (id int, body text);
insert into heap_pages select n, repeat('h', 200) from generate_series(1, 2000) n;
update heap_pages set body = repeat('i', 900) where id % 9 = 0;
update heap_pages set id = id + 1 where id % 17 = 0;
select count(*) from heap_pages;
delete from heap_pages where id > 300;
select count(*) from heap_pages;
vacuum heap_pages;
vacuum (freeze) heap_pages;
update heap_pages set body = 'short' where id % 2 = 0;
update heap_pages set body = 'shorter' where id % 2 = 0;
select count(*) from heap_pages;
vacuum (freeze) heap_pages;
copy heap_pages to '/dev/null';
truncate heap_pages;
create table many_kept (id serial primary key, other int references many_kept);
insert into many_kept (other) select null from generate_series(1, 50);
insert into many_kept (other) select n from generate_series(1, 50) n;
truncate many_kept restart identity cascade;
create table toasted (body text);
alter table toasted alter column body set storage external;
insert into toasted values (repeat('t', 30000));
update toasted set body = body || 'u';
create materialized view seen as select * from toasted;
refresh materialized view seen;
create unlogged table unlogged_pages (id int primary key);
alter table unlogged_pages set logged;
comment on table toasted is 'invalidations';
"""


def pages(session: Session) -> None:
    """Run every script. The server may be of any supported major."""
    session.execute("create table burnt (id int)")
    for script in (_BTREE, _HASH, _GIN, _GIST, _SPGIST, _BRIN, _HEAP):
        run_script(session, script.format(**_PARTS))
    run_script(session, "reset enable_seqscan; reset enable_bitmapscan")


def run_script(session: Session, script: str) -> None:
    """One statement at a time, since VACUUM and CREATE DATABASE refuse to share a query string."""
    for statement in script.split(";"):
        if statement.strip():
            session.execute(statement)
