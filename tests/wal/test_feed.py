"""A file read and walked in C gives what its bytes give when they are pushed, wherever it ends, or the walk does."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from pgreplterm._walscan import ffi
from pgreplterm.wal.format import format_for
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.threads import Workers
from pgreplterm.wal.walker import Walker

from .corpus import MB
from .ends import PAGE
from .stretches import more, stream

START = LSN(5 * MB)
FORMAT = format_for(0xD118, "test")


def walker(limit: int = 0) -> Walker:
    found = Walker(FORMAT, PAGE, MB, START)
    found.limit(limit)
    return found


def state(walked: Walker) -> tuple[object, ...]:
    return walked.position, walked.records, walked.partial, walked.stopped, walked.reached, walked.walked(START)


def from_file(path: Path, room: int, limit: int = 0) -> tuple[Walker, int, bool]:
    found = walker(limit)
    with path.open("rb", buffering=0) as file:
        return found, *found.push_file(file.fileno(), START, MB, ffi.new("uint8_t[]", room))


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """One that is full of records, most of a kilobyte."""
    built = stream(18)
    more(built, 1100)
    return built.write(tmp_path_factory.mktemp("full"))[0].read_bytes()


@pytest.mark.parametrize("pages", [1, 3, 32, 128, 200])
def test_whole_and_cut_files(segment: bytes, tmp_path: Path, pages: int) -> None:
    rng = random.Random(pages)
    sizes = [0, 1, PAGE - 1, PAGE, 3 * PAGE, 128 * PAGE - 1, MB, MB + 1, *(rng.randrange(MB) for _ in range(20))]
    for size in sizes:
        path = tmp_path / "segment"
        path.write_bytes((segment + b"x")[:size])
        found, got, ended = from_file(path, pages * PAGE)
        expected = walker()
        expected.push(START, ffi.from_buffer(segment), min(size, MB) // PAGE * PAGE)
        assert state(found) == state(expected), size
        if found.stopped is None:
            assert (got, ended) == (min(size, MB), size < MB), size


def test_no_further_than_the_walk(segment: bytes, tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(segment)
    limit = START + 2 * PAGE
    found, got, ended = from_file(path, PAGE, limit)
    assert found.reached and found.stopped is None and not ended
    assert got in (2 * PAGE, 3 * PAGE)  # up to the limit, and over it for a record that crosses it

    data = bytearray(segment)
    data[PAGE + 2] ^= 0xFF
    path.write_bytes(data)
    found, got, ended = from_file(path, PAGE)
    assert found.stopped is not None and found.stopped.lsn == START + PAGE
    assert (got, ended) == (2 * PAGE, False)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    found = walker()
    with (tmp_path / "written").open("wb") as file, pytest.raises(OSError, match=os.strerror(9)):
        found.push_file(file.fileno(), START, MB, ffi.new("uint8_t[]", PAGE))
    assert found.position == START


# ---- the threads ----


def test_jobs_are_done_in_order_and_raise_where_they_are_asked_for() -> None:
    done: list[int] = []
    with Workers[int](1) as workers:
        jobs = [workers.submit(lambda n=n: done.append(n) or 12 // n) for n in (3, 2, 0, 1)]  # type: ignore[misc]
        assert jobs[3].result() == 12
        with pytest.raises(ZeroDivisionError):
            jobs[2].result()
        assert [jobs[0].result(), jobs[1].result()] == [4, 6]
    assert done == [3, 2, 0, 1]


def test_what_has_not_begun_is_dropped() -> None:
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt), Workers[None](2) as workers:
        for number in range(1000):
            workers.submit(lambda n=number: (time.sleep(0.001), done.append(n))[1])  # type: ignore[misc]
        raise KeyboardInterrupt
    assert len(done) < 1000
