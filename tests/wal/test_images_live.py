"""Images of real servers: against the data file they were taken from, pg_waldump --save-fullpage, and pageinspect."""

from __future__ import annotations

import filecmp
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgreplterm import wal
from pgreplterm.wal import LSN, WalSource
from pgreplterm.wal.choice import choice_of
from pgreplterm.wal.image import PageImage, compression_name, images_in
from pgreplterm.wal.page_view import DataPage, ItemState, PageKind, read_data_page
from pgreplterm.wal.save_fullpage import create_fullpage_folder, save_fullpage
from pgreplterm.wal.verification import RunWalk

from .conftest import CORPORA, corpus_name
from .corpus import Corpus
from .servers import MAJORS, Server, require_bin, throwaway_server

pytest.importorskip("lz4.block", reason="needs the extra 'archive'")
pytest.importorskip("zstandard", reason="needs the extra 'archive'")

PAGE = 8192
LSN_AND_CHECKSUM = 10  # the bytes of a page that are set when it is changed, and when it is written
BUILT_WITH_ALL = 17  # with lz4 and zstd, wherever it comes from
SAVING = [(major, segment_mb) for major, segment_mb in CORPORA if major >= 16]  # whose pg_waldump can do it

_PAGES_OF_EVERY_KIND = """
create extension if not exists pageinspect;
create table kinds (id int, a text, b text, c numeric) with (fillfactor = 60);
create index on kinds using btree (id);
create index on kinds using hash (a);
create index on kinds using gin (string_to_array(b, ' '));
create index on kinds using gist (point(id, id));
create index on kinds using spgist (a);
create index on kinds using brin (id);
insert into kinds
  select n, 'a' || n, case when n % 3 = 0 then null else 'b ' || n end, n from generate_series(1, 900) n;
vacuum (freeze) kinds;
update kinds set c = c + 1 where id % 4 = 0;
update kinds set id = id + 1000 where id % 7 = 0;
delete from kinds where id % 5 = 0;
vacuum kinds;
update kinds set c = c + 1 where id % 6 = 0;
create table parents (id int primary key);
create table children (id int references parents);
insert into parents select generate_series(1, 10);
insert into children select generate_series(1, 10);
checkpoint;
begin; savepoint s; update kinds set c = 0 where id < 50; update kinds set c = 1 where id < 50; rollback;
insert into kinds select n, 'c' || n, 'd ' || n, n from generate_series(2001, 2100) n;
insert into children select generate_series(1, 10);
select nextval('counter');
select from kinds for share;
checkpoint;
"""


@pytest.fixture(scope="module", params=MAJORS)
def server(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Server]:
    """A server of each major."""
    with throwaway_server(request.param, scratch / "images") as server:
        yield server


def images_since(folder: Path, lsn: LSN) -> list[PageImage]:
    """Every image of the records that begin at lsn or later, of the WAL in that folder."""
    source = wal.open_source(folder)
    choice = choice_of(images_only=True, start=str(lsn))
    return [
        image
        for run in source.runs
        for rows in RunWalk(source, run, collect=True)
        for image in images_in(choice.keep(rows), source.block_size, run.timeline)
    ]


def now(session: psycopg.Connection[Any]) -> LSN:
    row = session.execute("select pg_current_wal_insert_lsn()::text").fetchone()
    assert row is not None
    return LSN.parse(row[0])


def settings_of(session: psycopg.Connection[Any]) -> list[str]:
    """The values of wal_compression that the build has."""
    query = "select coalesce(enumvals, '{off,on}') from pg_settings where name = 'wal_compression'"
    row = session.execute(query).fetchone()
    assert row is not None
    return list(row[0])


def test_an_image_is_the_page_of_the_data_file(server: Server) -> None:
    """A checkpoint, one row, a checkpoint: the record that the row wrote holds the pages that were then written.

    Nobody reads the table in between, so that no hint bit is set; the hole is not part of an image.
    """
    with server.connect() as session:
        session.execute("create table touched (id int primary key, body text)")
        session.execute("insert into touched select n, repeat('body', n % 20) from generate_series(1, 100) n")
        session.execute("vacuum touched")
        for number, setting in enumerate(settings_of(session)):
            session.execute(f"set wal_compression = '{setting}'")
            session.execute("checkpoint")
            before = now(session)
            session.execute("insert into touched values (%s, 'one row')", (1000 + number,))
            session.execute("checkpoint")
            images = [each for each in images_since(server.wal, before) if each.block.relation in files_of(session)]
            assert {read_data_page(image.page).kind for image in images} == {PageKind.HEAP, PageKind.BTREE}
            (method,) = {compression_name(image.block.image_info) for image in images}
            assert method in {"off": (None,), "on": ("pglz", "lz4", "zstd")}.get(setting, (setting,))
            for image in images:
                assert_is_in_the_file(image, server.data / files_of(session)[image.block.relation])


def files_of(session: psycopg.Connection[Any]) -> dict[int, str]:
    """The data files of the table and its index, by relfilenode."""
    return dict(
        session.execute(
            "select pg_relation_filenode(oid)::bigint, pg_relation_filepath(oid) from pg_class "
            "where relname in ('touched', 'touched_pkey')"
        ).fetchall()
    )


def assert_is_in_the_file(image: PageImage, path: Path) -> None:
    """The page on disk is the image, but for the LSN that the record itself gave it."""
    on_disk = path.read_bytes()[image.block.block * PAGE :][:PAGE]
    lower, upper = read_data_page(image.page).header.lower, read_data_page(image.page).header.upper
    assert image.page[LSN_AND_CHECKSUM:lower] == on_disk[LSN_AND_CHECKSUM:lower]
    assert image.page[upper:] == on_disk[upper:]
    assert not any(image.page[lower:upper])
    before, after = (struct.unpack_from("<II", page) for page in (image.page, on_disk))
    assert before < after
    assert LSN(after[0] << 32 | after[1]) == image.record.end + -image.record.end % 8


@pytest.mark.parametrize("timeline", [1, 2])
@pytest.mark.parametrize("corpus", SAVING, ids=corpus_name, indirect=True)
def test_saved_folders_equal_pg_waldumps(corpus: Corpus, timeline: int, tmp_path: Path) -> None:
    """Every file of both folders, name and bytes: holes, none, both kinds of image, every compression of the build."""
    segments = corpus.segments(timeline)
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    program = require_bin(corpus.major) / "pg_waldump"
    options = ["--quiet", f"--save-fullpage={theirs}", "-p", corpus.folder, segments[0].name, segments[-1].name]
    subprocess.run([program, *options], check=False, capture_output=True)  # exits 1 at the end of WAL, as always
    images = images_since(corpus.only(timeline), LSN(0))
    create_fullpage_folder(ours)
    assert save_fullpage(ours, images) == len(images) > 0
    names = sorted(path.name for path in theirs.iterdir())
    assert sorted(path.name for path in ours.iterdir()) == names
    assert filecmp.cmpfiles(ours, theirs, names, shallow=False)[1:] == ([], [])
    if timeline == 1:
        methods = {compression_name(image.block.image_info) for image in images}
        assert methods >= {None, "pglz", *(("lz4", "zstd") if corpus.major == BUILT_WITH_ALL else ())}
        assert {image.is_for_verification for image in images} == {True, False}


@pytest.mark.parametrize("corpus", SAVING, ids=corpus_name, indirect=True)
def test_a_folder_of_chosen_images_equals_pg_waldumps(corpus: Corpus, tmp_path: Path) -> None:
    """With a relation given, records are chosen, and all their images saved."""
    source = wal.open_source(corpus.only(1))
    relation = _relation_with_most_images(source)
    theirs, segments = tmp_path / "theirs", corpus.segments(1)
    program = require_bin(corpus.major) / "pg_waldump"
    options = ["-q", "-R", relation, f"--save-fullpage={theirs}", "-p", corpus.folder, segments[0].name]
    subprocess.run([program, *options, segments[-1].name], check=False, capture_output=True)
    choice = choice_of(relation=relation)
    create_fullpage_folder(ours := tmp_path / "ours")
    (run,) = source.runs
    for rows in RunWalk(source, run, collect=True):
        save_fullpage(ours, images_in(choice.keep(rows), source.block_size, 1))
    names = sorted(path.name for path in theirs.iterdir())
    assert sorted(path.name for path in ours.iterdir()) == names != []
    assert filecmp.cmpfiles(ours, theirs, names, shallow=False)[1:] == ([], [])


def _relation_with_most_images(source: WalSource) -> str:
    (run,) = source.runs
    index = wal.scan_run(source, run).index
    counts: dict[tuple[int, int, int], int] = {}
    for row in index:
        for block in index.blocks(row) if row.image_count else ():
            if block.image_length:
                key = block.tablespace, block.database, block.relation
                counts[key] = counts.get(key, 0) + 1
    return "{}/{}/{}".format(*max(counts, key=lambda key: counts[key]))


def test_pages_are_what_pageinspect_says(server: Server) -> None:
    """Header of every page, line pointers of heaps and indexes, tuple headers and the names of their bits."""
    with server.connect() as session:
        try:
            session.execute("create extension pageinspect")
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
            pytest.skip("this build has no pageinspect")
        session.execute("create sequence counter")
        for setting in ("checkpoint", "set wal_compression = off", "set wal_consistency_checking = 'all'"):
            session.execute(setting)
        before = now(session)
        for statement in _PAGES_OF_EVERY_KIND.split(";"):
            if statement.strip():
                session.execute(statement)
        last_of_each = {
            (each.block.relation, each.block.fork, each.block.block): each for each in images_since(server.wal, before)
        }
        pages = [(read_data_page(each.page, each.block.fork), each.page) for each in last_of_each.values()]
        seen = {page.kind for page, _ in pages}
        assert seen >= {*PageKind} - {PageKind.NEW, PageKind.FSM, PageKind.UNKNOWN}
        for page, data in pages:
            _assert_header(session, page, data)
            if page.kind in (PageKind.HEAP, PageKind.SEQUENCE):
                _assert_heap(session, page, data)
        _assert_every_state_was_seen([page for page, _ in pages])


def _assert_header(session: psycopg.Connection[Any], page: DataPage, data: bytes) -> None:
    row = session.execute(
        "select lsn::text, checksum::int & 65535, flags, lower, upper, special, pagesize, version, prune_xid::text "
        "from page_header(%s)",
        (data,),
    ).fetchone()
    assert row is not None
    header = page.header
    assert page.problems == ()
    assert (LSN.parse(row[0]), *row[1:8], int(row[8])) == (
        *(header.lsn, header.checksum, header.flags, header.lower, header.upper, header.special),
        *(header.size, header.version, header.prune_xid),
    )


def _assert_heap(session: psycopg.Connection[Any], page: DataPage, data: bytes) -> None:
    rows = session.execute(
        "select lp, lp_off, lp_flags, lp_len, t_xmin::text::bigint, t_xmax::text::bigint, t_field3, t_ctid::text, "
        "t_infomask2, t_infomask, t_hoff, raw_flags, combined_flags "
        "from heap_page_items(%s) left join lateral heap_tuple_infomask_flags(t_infomask, t_infomask2) on true",
        (data,),
    ).fetchall()
    states = tuple(ItemState)
    assert [(item.number, item.offset, states.index(item.state), item.length) for item in page.items] == [
        row[:4] for row in rows
    ]
    for item, row in zip(page.items, rows, strict=True):
        assert item.problem is None
        if item.tuple is None:
            assert row[4] is None
            continue
        found = item.tuple
        ctid = f"({found.t_ctid[0]},{found.t_ctid[1]})"
        assert (found.t_xmin, found.t_xmax, found.t_field3, ctid) == row[4:8]
        assert (found.t_infomask2, found.t_infomask, found.t_hoff) == row[8:11]
        assert found.natts == row[8] & 0x7FF
        assert (list(found.flags), list(found.combined_flags)) == row[11:]


def _assert_every_state_was_seen(pages: list[DataPage]) -> None:
    """Agreement on pages that only hold plain rows would prove little."""
    heaps = [page for page in pages if page.kind is PageKind.HEAP]
    assert {item.state for page in heaps for item in page.items} == {*ItemState}
    flags = {flag for page in heaps for item in page.items if item.tuple for flag in item.tuple.flags}
    assert flags >= {"HEAP_HASNULL", "HEAP_UPDATED", "HEAP_ONLY_TUPLE", "HEAP_HOT_UPDATED"}
    assert {flag for page in heaps for item in page.items if item.tuple for flag in item.tuple.combined_flags} >= {
        "HEAP_XMAX_SHR_LOCK",
        "HEAP_XMIN_FROZEN",
    }
