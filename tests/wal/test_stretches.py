"""A run cut in stretches, walked apart and joined, is what one walk over it finds: exactly, whatever is broken.

The walk without stretches is the judge here; what holds that one to the truth is in the other tests of this folder.
"""

from __future__ import annotations

import random
import shutil
import threading
from pathlib import Path

import pytest

from pgreplterm.wal import EndKind, WalError, open_source, verify
from pgreplterm.wal.choice import Choice, choice_of
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.stretches import Found, Stretch, Threads, cut, walk_stretch
from pgreplterm.wal.tally import KINDS, Counting
from pgreplterm.wal.verification import count, verify_run

from .conftest import EACH_SIZE, SMALL_CORPORA, corpus_name
from .corpus import MB, Corpus
from .ends import PAGE
from .stretches import assert_same, segments_of_switches

SEED = 20240229
ROUNDS = 25
DATA = Path(__file__).parent.parent / "data" / "wal"


# ---- WAL of real servers ----


@pytest.mark.parametrize("corpus", EACH_SIZE, ids=corpus_name, indirect=True)
@pytest.mark.parametrize(("jobs", "length"), [(2, 16 * MB), (3, MB), (2, 64 * 1024)], ids=["16MB", "1MB", "64kB"])
def test_a_servers_wal(corpus: Corpus, jobs: int, length: int) -> None:
    source = open_source(corpus.folder)
    leaps = assert_same(source, length, jobs, kinds=KINDS if length > PAGE * 8 else ("record", "minute"))
    assert leaps >= sum(len(cut(source, run, length)) for run in source.runs) // 4 or length == 16 * MB


@pytest.mark.parametrize("corpus", SMALL_CORPORA, ids=corpus_name, indirect=True)
def test_page_by_page(corpus: Corpus) -> None:
    """Most records that cross a page end then cross a stretch's end."""
    source = open_source(corpus.only(2))
    assert assert_same(source, PAGE, 3, kinds=("relation", "minute")) > 50


@pytest.mark.parametrize("corpus", SMALL_CORPORA[-1:], ids=corpus_name, indirect=True)
def test_chosen_records(corpus: Corpus) -> None:
    """Bounds are kept by whoever cuts; a walk that is bounded says how far it read."""
    source = open_source(corpus.only(1))
    (report,) = verify(source)
    assert report.first is not None
    rng = random.Random(SEED)
    chosen: list[dict[str, object]] = [{"rmgrs": ("Heap",)}, {"images_only": True}]
    for _ in range(5):
        one = rng.randrange(report.first, report.end_lsn)
        other = one + rng.randrange(MB // 4)
        chosen += [{"start": str(LSN(one)), "end": str(LSN(other))}, {"start": str(LSN(one))}, {"end": str(LSN(one))}]
    for conditions in chosen:
        counting = Counting("record", choice_of(**conditions), source.format)  # type: ignore[arg-type]
        alone, alone_reports = count(source, counting)
        for length in (PAGE, 5 * PAGE) if len(conditions) == 2 else (40 * PAGE, MB):
            tally, reports = count(source, counting, Threads(2, length))
            assert (tally.rows(), reports) == (alone.rows(), alone_reports), (conditions, length)
        assert alone.rows() or len(conditions) == 2


@pytest.mark.parametrize("major", [13, 14, 19])
def test_a_kept_segment(major: int, tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    (packed,) = (DATA / str(major)).glob("0" * 7 + "1" + "?" * 16 + ".zst")
    with packed.open("rb") as stream, (tmp_path / packed.stem).open("wb") as plain:
        zstandard.ZstdDecompressor().copy_stream(stream, plain)
    assert assert_same(open_source(tmp_path), 128 * 1024, 2) > 3


# ---- the same, damaged ----


def _flip(path: Path, rng: random.Random) -> str:
    data = bytearray(path.read_bytes())
    places = [rng.randrange(len(data)) for _ in range(rng.choice((1, 1, 3)))]
    places.append(rng.randrange(len(data) // PAGE) * PAGE + rng.randrange(24))
    for place in places:
        data[place] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return f"bits of {places}"


def _zero_pages(path: Path, rng: random.Random) -> str:
    data = bytearray(path.read_bytes())
    page, pages = rng.randrange(len(data) // PAGE), rng.choice((1, 1, 2, 9))
    data[page * PAGE : (page + pages) * PAGE] = bytes(min(pages * PAGE, len(data) - page * PAGE))
    path.write_bytes(data)
    return f"{pages} pages from {page}"


def _swap_pages(path: Path, rng: random.Random) -> str:
    data = bytearray(path.read_bytes())
    one, other = (rng.randrange(len(data) // PAGE) * PAGE for _ in range(2))
    data[one : one + PAGE], data[other : other + PAGE] = data[other : other + PAGE], data[one : one + PAGE]
    path.write_bytes(data)
    return f"pages {one} and {other}"


def _truncate(path: Path, rng: random.Random) -> str:
    size = rng.randrange(path.stat().st_size) // rng.choice((1, PAGE)) * rng.choice((1, PAGE)) % MB
    with path.open("r+b") as file:
        file.truncate(size)
    return f"to {size}"


def _remove(path: Path, rng: random.Random) -> str:
    path.unlink()
    return "file"


DAMAGE = (_flip, _flip, _flip, _zero_pages, _zero_pages, _swap_pages, _truncate, _remove)


@pytest.mark.parametrize("corpus", SMALL_CORPORA, ids=corpus_name, indirect=True)
def test_damaged_at_random(corpus: Corpus, tmp_path: Path) -> None:
    rng = random.Random(SEED + corpus.major)
    found: set[EndKind] = set()
    damages = 0
    for turn in range(ROUNDS):
        shutil.rmtree(tmp_path, ignore_errors=True)
        tmp_path.mkdir()
        segments = corpus.segments(rng.choice((1, 2)))
        begin = rng.randrange(len(segments))
        copies = [Path(shutil.copy(each, tmp_path)) for each in segments[begin : begin + 5]]
        did = [f"seed {SEED + corpus.major}, turn {turn}"]
        for _ in range(rng.choice((1, 2, 4))):
            damage, path = rng.choice(DAMAGE), rng.choice(copies)
            if path.exists() and path.stat().st_size == MB:
                did.append(f"{damage.__name__} {path.name} {damage(path, rng)}")
        try:
            source = open_source(tmp_path)
        except WalError:
            continue
        length = rng.choice((PAGE, 5 * PAGE, 16 * PAGE, MB, 2 * MB))
        try:
            assert_same(source, length, rng.choice((2, 3)), (rng.choice(KINDS),))
        except AssertionError as error:
            raise AssertionError(f"stretches of {length}: " + "; ".join(did)) from error
        for report in verify(source):
            found.add(report.end)
            damages += len(report.damages)
    assert damages and len(found) > 1, found


# ---- cutting ----


@pytest.mark.parametrize("length", [PAGE, 3 * PAGE, MB, 3 * MB, 16 * MB])
def test_stretches_cover_the_run(length: int, tmp_path: Path) -> None:
    segments_of_switches(tmp_path)
    source = open_source(tmp_path)
    (run,) = source.runs
    stretches = cut(source, run, length)
    assert stretches[0].start == run.segments[0].start
    assert stretches[-1].end == run.segments[-1].start + MB
    assert [each.start for each in stretches[1:]] == [each.end for each in stretches[:-1]]
    assert all(each.end - each.start >= length and each.start % PAGE == 0 for each in stretches[:-1])


def test_what_a_stretch_cannot_read_is_said(tmp_path: Path) -> None:
    paths = segments_of_switches(tmp_path)
    source = open_source(tmp_path)
    (run,) = source.runs
    paths[2].unlink()
    found = walk_stretch(source, run, Stretch(run.segments[2].start, run.segments[3].start), None)
    assert found == Found(trouble=f"{paths[2]}: this segment is gone since the folder was listed; a running server "
                                  "removes and renames segments, so look again.")  # fmt: skip


# ---- threads ----


def _walking() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("walk")]


class _Choice(Choice):
    """A condition that fails, as a defect would, on the thread that asks it."""

    def keep(self, rows: object) -> object:  # type: ignore[override]  # noqa: ARG002
        raise ZeroDivisionError(threading.current_thread().name)


def test_a_defect_in_a_thread_is_raised_and_leaves_none(tmp_path: Path) -> None:
    segments_of_switches(tmp_path)
    source = open_source(tmp_path)
    with pytest.raises(ZeroDivisionError, match="walk"):
        count(source, Counting("record", _Choice(), source.format), Threads(3, MB))
    assert not _walking()


def test_an_interrupt_leaves_no_thread(tmp_path: Path) -> None:
    segments_of_switches(tmp_path)
    source = open_source(tmp_path)
    (run,) = source.runs
    with pytest.raises(KeyboardInterrupt), Threads(3, MB).ahead(source, run) as ahead:
        assert ahead is not None
        assert _walking()
        raise KeyboardInterrupt
    assert not _walking()


def test_a_file_that_goes_away_is_the_readers_error(tmp_path: Path) -> None:
    paths = segments_of_switches(tmp_path)
    source = open_source(tmp_path)
    paths[3].unlink()
    with pytest.raises(WalError, match=rf"{paths[3].name}: this segment is gone"):
        verify_run(source, source.runs[0], Threads(2, MB))
    assert not _walking()
