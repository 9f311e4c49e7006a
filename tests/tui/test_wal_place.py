"""The WAL place on real segments: from the folder down to one byte, and back."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from pgreplterm.tui.wal.anatomy import lay_open
from pgreplterm.tui.wal.library import Contents, OpenSegment, open_segment, open_shelf
from pgreplterm.tui.wal.query import Query, matching, parse_query
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.rmgr import rmgr_name

from .snapshots import ScriptedSource, cluster
from .stage import stage

DATA = Path(__file__).parent.parent / "data" / "wal"
pytest.importorskip("zstandard")


@pytest.fixture(scope="module")
def opened() -> OpenSegment:
    """A PostgreSQL 13 segment with 84,799 records."""
    shelf = open_shelf(DATA / "13" / "000000010000000000000020.zst")
    return open_segment(shelf.source, shelf.entries[0].segment)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", Query()),
        ("0/3000148", Query(lsn=LSN(0x3000148))),
        ("742", Query(xid=742)),
        ("xid 742", Query(xid=742)),
        ("xid=742", Query(xid=742)),
    ],
)
def test_what_may_be_asked(text: str, query: Query) -> None:
    assert parse_query(text) == query


@pytest.mark.parametrize("text", ["nonsense", "0/xyz", "xid", "heap;"])
def test_what_means_nothing_is_said_so(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_query(text)


def test_a_resource_manager_is_found_by_its_beginning() -> None:
    rmgrs = parse_query("heap").rmgrs
    assert rmgrs is not None and {rmgr_name(number) for number in rmgrs} == {"Heap", "Heap2"}


def test_a_filter_keeps_exactly_what_matches(opened: OpenSegment) -> None:
    kept = matching(opened, parse_query("Btree"))
    assert list(kept) == [n for n in range(opened.count) if rmgr_name(opened.index[n].rmgr) == "Btree"]
    assert 0 < len(kept) < opened.count


def test_every_byte_of_a_record_belongs_to_one_field_and_fields_do_not_overlap(opened: OpenSegment) -> None:
    for number in range(0, opened.count, 9973):
        record = opened.index[number]
        fields = [spot for spot in lay_open(opened, number).spots if spot.group == "record"]
        covered = [byte for spot in fields for byte in range(spot.field.offset, spot.field.offset + spot.field.length)]
        assert covered == list(range(record.total_length))


def test_the_bytes_of_a_field_are_the_bytes_in_the_file(opened: OpenSegment) -> None:
    anatomy = lay_open(opened, 2)
    spot = next(spot for spot in anatomy.spots if spot.field.name == "xl_prev")
    (place,) = spot.places
    data = anatomy.chunks[place.chunk].data[place.start : place.start + place.length]
    assert int.from_bytes(data, "little") == anatomy.record.prev


def test_a_record_over_a_page_boundary_shows_both_pages(opened: OpenSegment) -> None:
    size = opened.source.page_size
    number = next(n for n in range(opened.count) if opened.index[n].lsn // size != (opened.index[n].end - 1) // size)
    anatomy = lay_open(opened, number)
    titles = [chunk.title.split(",")[0].split(" ")[0] for chunk in anatomy.chunks]
    assert titles.count("record") >= 2
    assert anatomy.missing == 0
    assert sum(len(chunk.data) for chunk in anatomy.chunks if chunk.title.startswith("record")) == len(
        [0 for spot in anatomy.spots if spot.group == "record" for place in spot.places for _ in range(place.length)]
    )
    assert "xlp_rem_len" in {spot.field.name for spot in anatomy.spots if spot.group == "page"}


def test_a_byte_finds_its_field(opened: OpenSegment) -> None:
    anatomy = lay_open(opened, 2)
    assert [spot.field.name for spot in anatomy.spots if not spot.places] == ["description"]
    for number, spot in enumerate(anatomy.spots):
        for place in spot.places[:1]:
            assert anatomy.spot_at(place.chunk, place.start) == number


def test_a_recycled_and_an_empty_segment_are_called_so(tmp_path: Path) -> None:
    import zstandard

    plain = tmp_path / "000000010000000000000020"
    with (DATA / "13" / "000000010000000000000020.zst").open("rb") as packed, plain.open("wb") as out:
        zstandard.ZstdDecompressor().copy_stream(packed, out)
    shutil.copy(plain, tmp_path / "000000010000000000000021")
    (tmp_path / "000000010000000000000022").write_bytes(bytes(16 << 20))
    shelf = open_shelf(tmp_path)
    assert [entry.contents for entry in shelf.entries] == [Contents.WAL, Contents.RECYCLED, Contents.EMPTY]


def source(folder: Path) -> ScriptedSource:
    """pg1's data directory is that folder."""
    return ScriptedSource(directories={"pg1": folder})


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
async def test_down_to_the_byte_and_back(width: int, height: int) -> None:
    async with stage(width, height, source=source(DATA / "13")) as here:
        here.source.show(cluster())
        await here.press("5")
        await here.sees(str(DATA / "13")[: width - 30])
        await here.press("enter")
        assert "PostgreSQL 13" in await here.sees("000000010000000000000020.zst")
        await here.press("enter")
        text = await here.sees("84,799 records")
        assert "0/20000050" in text and "INSERT_LEAF" in text
        await here.press("G")
        await here.sees(lambda text: "0/20FF" in text)
        await here.press("g", "j", "j", "enter")
        text = await here.sees("xl_tot_len")
        assert "record 3 of" in text and "62 00 00 00 91 85 01 00" in text and "80 COMMIT" in text
        await here.press("escape")
        await here.sees("84,799 records")
        await here.press("escape")
        await here.sees("SEGMENT")
        await here.press("escape")
        await here.sees("Whose WAL?")


async def test_find_goes_and_filters() -> None:
    async with stage(source=source(DATA / "13")) as here:
        here.source.show(cluster())
        await here.press("5")
        await here.sees("pg1")
        await here.press("enter")
        await here.sees("SEGMENT")
        await here.press("enter")
        await here.sees("84,799 records")
        await here.press("slash", *"0/20000900", "enter")
        await here.sees("0/200008")
        await here.press("slash", *"gin", "enter")
        assert "RMGR" in await here.sees("of 84,799 records")
        await here.press("slash", *"what", "enter")
        await here.sees("expected an LSN")
        await here.press("escape")
        await here.sees(lambda text: " of 84,799" not in text and "84,799 records" in text)


async def test_field_and_bytes_point_at_each_other() -> None:
    async with stage(source=source(DATA / "13")) as here:
        here.source.show(cluster())
        await here.press("5")
        await here.sees("pg1")
        await here.press("enter")
        await here.sees("SEGMENT")
        await here.press("enter")
        await here.sees("84,799 records")
        await here.press("enter")
        await here.sees("xl_tot_len")
        await here.press("j", "j", "j")
        from pgreplterm.tui.wal.lists import FieldList, HexView

        fields, view = here.app.screen.query_one(FieldList), here.app.screen.query_one(HexView)
        assert fields.anatomy is not None
        assert fields.anatomy.spots[fields.cursor].field.name == "xl_prev"
        assert view.marked == fields.anatomy.spots[fields.cursor].places
        await here.press("tab", "j")
        assert fields.anatomy.spots[fields.cursor].field.name not in ("xl_tot_len", "xl_prev")
        assert view.marked == fields.anatomy.spots[fields.cursor].places


async def test_100_000_rows_are_as_quick_as_ten(opened: OpenSegment) -> None:
    from pgreplterm.tui.wal.lists import RecordList

    async with stage(source=source(DATA / "13")) as here:
        await here.press("5")
        records = here.app.screen.query_one(RecordList)
        made = []
        line = RecordList.line
        records.line = lambda index: made.append(index) or line(records, index)  # type: ignore[method-assign, func-returns-value]
        records.opened = opened
        here.app.screen._show_level(2)  # type: ignore[attr-defined]
        records.reset(opened.count // 2)
        await here.pilot.pause()
        began = time.perf_counter()
        await here.press("G", "g", "pagedown")
        assert time.perf_counter() - began < 5
        assert len(set(made)) < 40 * 5, "only visible rows are made"


async def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    async with stage(source=source(tmp_path / "gone")) as here:
        here.source.show(cluster())
        await here.press("5")
        await here.sees("pg1")
        await here.press("enter")
        await here.sees(lambda text: "No such file" in text or "expected" in text)
        await here.press("1")
        await here.sees("REPLAY")
