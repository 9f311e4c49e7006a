"""Real segments of every major, damaged at random: nothing broken passes, nothing whole is lost, nothing is invented.

Which record lies where is told by pg_waldump of that major, or for 14, which has none here, by following the lengths.
After each change the records read are compared with those that hold no changed byte:

- a record with a changed byte is never read, and lies inside what is reported as unreadable;
- what is reported first is the first such record;
- every other record is read, but for those on a page whose header was changed, which may be given up;
- no record is read that was not there.

PGREPLTERM_MUTATIONS is how many changes are made in all (350 by default); PGREPLTERM_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgreplterm.wal import RunReport, WalSource, open_source
from pgreplterm.wal.verification import RunWalk
from pgreplterm.wal.walker import RECORD_SIZE

from .builder import LONG_HEADER, SHORT_HEADER
from .conftest import SMALL_CORPORA, corpus_name
from .corpus import Corpus
from .mutations import CHANGES, PAGE, Range, Window, places, places_by_length, truncate, window
from .servers import scratch_folder

MUTATIONS = int(os.environ.get("PGREPLTERM_MUTATIONS", "350"))
SEED = int(os.environ.get("PGREPLTERM_SEED", "19860708"))
MAJORS = 7
KEPT = Path(__file__).parents[1] / "data" / "wal"


# ---- what must be so ----


def read_all(source: WalSource) -> tuple[list[int], list[RunReport]]:
    """Every record that is read, and the reports."""
    read: list[int] = []
    reports = []
    for run in source.runs:
        walk = RunWalk(source, run, collect=True)
        for rows in walk:
            read += memoryview(rows.records).cast("B").cast("Q")[:: RECORD_SIZE // 8].tolist()
        reports.append(walk.report)
    return read, reports


def page_headers(ranges: list[Range], segment_size: int) -> list[Range]:
    """The pages whose headers these ranges change, from header to header."""
    pages = {page for begin, end in ranges for page in range(begin // PAGE * PAGE, end, PAGE)}
    changed = []
    for page in sorted(pages):
        header = page + (LONG_HEADER if page % segment_size == 0 else SHORT_HEADER)
        if any(begin < header and end > page for begin, end in ranges):
            changed.append((page, page + PAGE))
    return changed


def judge(made: Window, ranges: list[Range], read: list[int], reports: list[RunReport]) -> str | None:
    """What is wrong with this reading of the changed window, or None."""
    bodies = without_headers(ranges, made.size)
    broken = made.touching(bodies)
    headers = page_headers(ranges, made.size)
    given_up = made.touching(headers)
    if headers and headers[0][0] == made.run.segments[0].start:  # what the first page begins with is not known then
        given_up.add(made.starts[0])
    seen = set(read)
    if len(seen) != len(read) or seen - made.whole:
        return f"read {[hex(lsn) for lsn in sorted(seen - made.whole)][:3]}, which is no record, or one twice"
    if seen & broken:
        return f"read {hex(min(seen & broken))}, which is broken"
    if lost := made.whole - seen - broken - given_up:
        return f"lost {hex(min(lost))}, which is whole"
    told = [(int(each.at.record), int(each.resumed)) for report in reports for each in report.damages]
    ends = [int(report.end_lsn) for report in reports]
    if broken:
        first = min([lsn for lsn, _ in told] + ends)
        earliest = min(broken | given_up | {page for page, _ in headers})
        if not earliest <= begins(first, made.size) <= min(broken):
            return f"told of {hex(first)} first, not of {hex(min(broken))}"
    for lsn in broken:
        if not any(begin <= lsn < end for begin, end in told) and not any(
            begins(end, made.size) <= lsn for end in ends
        ):
            return f"did not tell of {hex(lsn)}"
    return None


def begins(lsn: int, segment_size: int) -> int:
    """Where a record begins that is expected at a page's first byte."""
    if lsn % PAGE:
        return lsn
    return lsn + (LONG_HEADER if lsn % segment_size == 0 else SHORT_HEADER)


def without_headers(ranges: list[Range], segment_size: int) -> list[Range]:
    """The parts of these ranges that lie in no page header."""
    parts = []
    for begin, end in ranges:
        for page in range(begin // PAGE * PAGE, end, PAGE):
            header = LONG_HEADER if page % segment_size == 0 else SHORT_HEADER
            low, high = max(begin, page + header), min(end, page + PAGE)
            if low < high:
                parts.append((low, high))
    return parts


def mutate(windows: list[Window], rounds: int, seed: int) -> Counter[str]:
    """That many changes, each undone; fails with the first that is not answered as it must be."""
    rng = random.Random(seed)
    done: Counter[str] = Counter()
    wrong = []
    for turn in range(rounds):
        made, change = rng.choice(windows), rng.choice(CHANGES)
        ranges = change(rng, made)
        source = open_source(made.source.path) if change is truncate else made.source
        problem = judge(made, ranges, *read_all(source))
        made.restore(ranges)
        done[change.__name__] += 1
        if problem:
            where = ", ".join(f"{begin:X}-{end:X}" for begin, end in ranges[:4])
            wrong.append(f"seed {seed}, turn {turn}: {change.__name__} of {where}: {problem}")
    for made in windows:
        assert b"".join(Path(segment.where).read_bytes() for segment in made.run.segments) == made.healthy
    assert not wrong, f"{len(wrong)} of {rounds}\n" + "\n".join(wrong[:20])
    return done


# ---- the majors ----


def three_at_a_time(corpus: Corpus, folder: Path) -> Iterator[Window]:
    """Some windows of three segments of timeline 1."""
    starts, lengths = places(corpus.waldump(1).lines)
    segments = corpus.segments(1)
    for first in range(0, len(segments) - 3, max(1, (len(segments) - 3) // 6)):
        into = folder / str(first)
        into.mkdir()
        for path in segments[first : first + 3]:
            shutil.copy(path, into)
        yield window(into, starts, lengths)


@pytest.fixture
def scratch_copy() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.mark.parametrize("corpus", SMALL_CORPORA, ids=corpus_name, indirect=True)
def test_random_damage(corpus: Corpus, scratch_copy: Path) -> None:
    windows = list(three_at_a_time(corpus, scratch_copy))
    print(mutate(windows, MUTATIONS // MAJORS, SEED + corpus.major))


@pytest.mark.parametrize("major", [13, 14, 19])
def test_random_damage_of_a_kept_segment(major: int, scratch_copy: Path) -> None:
    zstandard = pytest.importorskip("zstandard")

    def unpack(data: bytes) -> bytes:
        unpacked: bytes = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        return unpacked

    (packed,) = (path for path in (KEPT / str(major)).glob("*.zst") if ".txt" not in path.name)
    (scratch_copy / packed.stem).write_bytes(segment := unpack(packed.read_bytes()))
    text = packed.with_name(f"{packed.stem}.txt.zst")
    if text.exists():
        found = places(unpack(text.read_bytes()).decode(errors="replace").splitlines())
    else:
        found = places_by_length(segment, int(packed.stem[16:], 16) * len(segment))
    print(mutate([window(scratch_copy, *found)], MUTATIONS // MAJORS, SEED + major))
