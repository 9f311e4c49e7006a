"""Following WAL that grows in every awkward way a server lets a reader see: each record once, whole, and in order.

The tail's pauses are when the writer writes its next piece, so nothing here depends on time.
"""

from __future__ import annotations

import gzip
import random
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pgreplterm.wal import LSN, WalError, open_source
from pgreplterm.wal.follow import follow
from pgreplterm.wal.growing import Tail
from pgreplterm.wal.records import RecordIndex

from .builder import Record, Wal, noop_of
from .corpus import MB

PAGE = 8192
START = 5 * MB
FOREVER = 400  # pauses without anything new, after which a tail has clearly nothing more to give


class _Silence(Exception):
    """The tail waits, and nobody writes any more."""


class Writer:
    """Writes a built stream piece by piece: each pause of the tail is one step."""

    def __init__(self, steps: Iterator[object]) -> None:
        self._steps, self._idle = steps, 0

    def __call__(self, seconds: float) -> None:
        assert 0.05 <= seconds <= 0.5
        if next(self._steps, self) is self:
            self._idle += 1
            if self._idle == FOREVER:
                raise _Silence


def _stream(seed: int, segments: int = 3) -> Wal:
    """Records of every size up to several pages, with a switch now and then."""
    choose = random.Random(seed)
    built = Wal(18, start=START, segment_size=MB)
    while built.position < START + segments * MB - 200_000:
        built.append(noop_of(8 * choose.choice([3, 4, 9, 40, 900, 1500, 5000])))
        if choose.random() < 0.002:
            built.switch()
    return built


def _recycled(folder: Path, built: Wal, segments: int) -> None:
    """Segments as a server sets them up before it needs them: full of what an earlier use of the file left."""
    older = Wal(18, start=START - segments * MB, segment_size=MB)
    while older.position < START - MB // 2:
        older.append(noop_of(8 * 117))
    for number, path in enumerate(older.write(folder)):
        path.rename(folder / built.segment_name(1, START // MB + number))


def _put(folder: Path, built: Wal, page: int, data: bytes | bytearray) -> None:
    path = folder / built.segment_name(built.timeline, page // MB)
    if not path.exists():
        path.write_bytes(bytes(MB))
    with path.open("r+b") as segment:
        segment.seek(page % MB)
        segment.write(data)


def _grow(folder: Path, built: Wal, seed: int, begin: int) -> Iterator[None]:
    """Page by page up to some byte; of the last page, what was not copied into it yet is zero, in the middle too."""
    choose = random.Random(seed)
    done = begin
    while done < built.position:
        goal = min(built.position, done + choose.choice([8, 24, 100, 3000, 9000, 40_000]))
        for page in range(done - done % PAGE, goal, PAGE):
            data = built.pages.get((built.timeline, page))
            if data is None:
                continue
            shown = bytearray(data[: goal - page].ljust(PAGE, b"\0"))
            if goal - page < PAGE and choose.random() < 0.4:
                hole = choose.randrange(max(done - page, 40), max(goal - page, 41))
                shown[hole : hole + 64] = bytes(len(shown[hole : hole + 64]))
                _put(folder, built, page, shown)
                yield
                shown = bytearray(data[: goal - page].ljust(PAGE, b"\0"))
            _put(folder, built, page, shown)
        done = goal
        yield


def _followed(tail: Tail) -> list[int]:
    """What it gives until nothing has come for a long time, or it ends by itself."""
    found: list[int] = []
    try:
        for rows in tail:
            found += [row.lsn for row in RecordIndex(rows)]
    except _Silence:
        pass
    return found


def _tail(folder: Path, steps: Iterator[object], **options: object) -> Tail:
    source = open_source(folder)
    return Tail(source, source.runs[-1], pause=Writer(steps), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("recycled", [False, True], ids=["fresh", "recycled"])
@pytest.mark.parametrize("seed", range(6))
def test_each_record_once_and_whole(seed: int, recycled: bool, tmp_path: Path) -> None:
    built = _stream(seed)
    if recycled:
        _recycled(tmp_path, built, 4)
    _put(tmp_path, built, START, bytes(built.pages[1, START][:600]).ljust(PAGE, b"\0"))
    found = _followed(_tail(tmp_path, _grow(tmp_path, built, seed, START + 600)))
    assert found == built.records
    assert len(found) > 100


def test_from_an_lsn_to_an_lsn(tmp_path: Path) -> None:
    """With an end it is over, by itself, when the last record before it is written."""
    built = _stream(7)
    _put(tmp_path, built, START, bytes(PAGE))
    for page in sorted(page for _, page in built.pages)[:40]:
        _put(tmp_path, built, page, built.pages[1, page])
    first, last = built.records[10], built.records[-10]
    tail = _tail(tmp_path, _grow(tmp_path, built, 7, START + 40 * PAGE), start=LSN(first), end=LSN(last))
    found = [lsn for lsn in _followed(tail) if first <= lsn < last]
    assert found == built.records[10:-10]


def test_one_segment_that_was_named_ends_with_it(tmp_path: Path) -> None:
    built = _stream(3)
    _put(tmp_path, built, START, built.pages[1, START])
    source = open_source(tmp_path / built.segment_name(1, 5))
    tail = Tail(source, source.runs[0], pause=Writer(_grow(tmp_path, built, 3, START + PAGE)))
    expected = [lsn for lsn in built.records if lsn < START + MB]
    assert _followed(tail) in (expected, expected[:-1]), "the last may go on in the next segment"


def test_damage_that_the_server_has_left_behind_is_told_and_passed(tmp_path: Path) -> None:
    built = _stream(4)
    spoilt = built.records[len(built.records) // 3]
    built.poke(spoilt + 20, b"\xff\xff\xff\xff")
    _put(tmp_path, built, START, built.pages[1, START])
    said: list[str] = []
    found = _followed(_tail(tmp_path, _grow(tmp_path, built, 4, START + PAGE), say=said.append))
    assert found == [lsn for lsn in built.records if lsn != spoilt]
    assert [sentence.startswith(f"damage: record {LSN(spoilt)}") for sentence in said] == [True], said


def test_a_segment_removed_before_it_was_read_is_one_sentence(tmp_path: Path) -> None:
    """The server is two segments further, and has recycled the one that comes next."""
    built = Wal(18, start=START, segment_size=MB)
    built.append()
    _put(tmp_path, built, START, built.pages[1, START])
    for _ in range(3):
        built.switch()
        built.append()

    def write_on() -> Iterator[object]:
        built.write(tmp_path)[1].unlink()
        yield "removed"

    with pytest.raises(WalError, match=r"expected 000000010000000000000006 .* removed or recycled .*\.$"):
        _followed(_tail(tmp_path, write_on()))


def test_a_crashed_server_gives_up_its_last_record(tmp_path: Path) -> None:
    """Half a record was read; after the restart the page where it should go on says that it never will."""
    built = Wal(18, start=START, segment_size=MB)
    built.append(noop_of(4000))
    built.abort_record(noop_of(8000))
    _put(tmp_path, built, START, built.pages[1, START])

    def restart() -> Iterator[object]:
        yield "crashed"
        built.append()
        yield built.write(tmp_path)

    assert _followed(_tail(tmp_path, restart())) == built.records


def _promoted(tmp_path: Path, *, beyond: bool) -> tuple[Wal, list[int], Callable[[], Iterator[object]]]:
    """Timeline 1, of which a reader sees records behind the switchpoint if beyond, and the steps of a promotion."""
    built = Wal(18, start=START, segment_size=MB)
    for _ in range(20):
        built.append(noop_of(3000))
    before = list(built.records)
    switchpoint, prev = built.next_lsn(), built.prev
    if beyond:
        built.append(noop_of(500))
        built.append(noop_of(600))
    lost = built.records[len(before) :]
    built.write(tmp_path)
    built.position, built.prev, built.records = switchpoint, prev, before
    for page in (switchpoint - switchpoint % PAGE,):
        built.pages[1, page][switchpoint % PAGE :] = bytes(PAGE - switchpoint % PAGE)

    def promote() -> Iterator[object]:
        yield "still the old timeline"
        built.branch(2)
        built.append(noop_of(700))
        built.switch()
        built.append(noop_of(800))
        yield [path for path in built.write(tmp_path / "new") if path.name.startswith("00000002")]
        for path in sorted((tmp_path / "new").glob("00000002*")):
            path.rename(tmp_path / path.name)
        yield (tmp_path / "00000002.history").write_text(f"1\t{switchpoint >> 32:X}/{switchpoint:X}\tpromoted\n")

    return built, lost, promote


@pytest.mark.parametrize("beyond", [False, True], ids=["at the switchpoint", "behind it"])
def test_latest_goes_on_behind_a_promotion(beyond: bool, tmp_path: Path) -> None:
    built, lost, promote = _promoted(tmp_path, beyond=beyond)
    source = follow(open_source(tmp_path))
    said: list[str] = []
    tail = Tail(source, source.runs[-1], latest=True, pause=Writer(promote()), say=said.append)
    found = _followed(tail)
    assert found == built.records[:20] + lost + built.records[20:]
    assert tail.run.timeline == 2
    assert [sentence.partition(";")[0] for sentence in said] == (
        [f"timeline 1 was left at {LSN(built.records[20])}"] if beyond else []
    )


def test_without_latest_it_stays_and_says_so(tmp_path: Path) -> None:
    built, _, promote = _promoted(tmp_path, beyond=False)
    said: list[str] = []
    assert _followed(_tail(tmp_path, promote(), say=said.append)) == built.records[:20]
    assert [sentence.partition(";")[0] for sentence in said] == [
        f"timeline 1 was left at {LSN(built.records[20])} for timeline 2"
    ]


def test_records_of_user_size_over_segments(tmp_path: Path) -> None:
    """A record longer than a segment, of which every page appears by itself."""
    built = Wal(18, start=START, segment_size=MB)
    built.append()
    built.append(Record(main=bytes(range(256)) * 6000))
    built.append()
    _put(tmp_path, built, START, built.pages[1, START][:100].ljust(PAGE, b"\0"))

    def pages() -> Iterator[object]:
        for timeline, page in sorted(built.pages):
            _put(tmp_path, built, page, built.pages[timeline, page])
            yield page

    assert _followed(_tail(tmp_path, pages())) == built.records


def test_a_tar_archive_cannot_be_followed(tmp_path: Path) -> None:
    built = Wal(18, start=START, segment_size=MB)
    built.append()
    with tarfile.open(tmp_path / "pg_wal.tar", "w") as archive:
        for path in built.write(tmp_path / "wal"):
            archive.add(path, path.name)
    source = open_source(tmp_path / "pg_wal.tar")
    with pytest.raises(WalError, match=r"pg_wal\.tar: expected WAL that can grow, .*\.$"):
        Tail(source, source.runs[-1])


def test_an_archive_that_fills_with_packed_segments(tmp_path: Path) -> None:
    """What an archive_command leaves: whole segments only, each there from one moment to the next."""
    built = _stream(5)
    segments = built.write(tmp_path / "server")
    archive = tmp_path / "archive"
    archive.mkdir()

    def push() -> Iterator[Path]:
        for path in segments:
            packed = archive / f"{path.name}.gz"
            packed.with_suffix(".tmp").write_bytes(gzip.compress(path.read_bytes(), 1))
            yield packed.with_suffix(".tmp").rename(packed)

    steps = push()
    next(steps)
    assert _followed(_tail(archive, steps)) == built.records
