"""Whole commands against pg_waldump on the same segments, page cache warm."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from pgreplterm.wal import open_source, verify
from pgreplterm.wal.index import ROW_SIZE, Index

from .conftest import BenchWal
from .paired import Side, compare, read_limit, seconds, table

OURS = [sys.executable, "-m", "pgreplterm"]
MB = 1 << 20

# What each command is held to: times as fast as pg_waldump, process start subtracted on both sides.
JOBS = [
    ("verify, one thread", ["verify"], ["--quiet"], 2.0),
    ("verify, two threads", ["verify", "--jobs", "2"], ["--quiet"], 2.0),
    ("stat", ["stat"], ["--stats"], 1.5),
    ("stat by record", ["stat", "--by", "record"], ["--stats=record"], 1.5),
    ("stat by record, two threads", ["stat", "--by", "record", "--jobs", "2"], ["--stats=record"], 2.0),
    ("dump", ["dump"], [], 4.0),
    ("dump with block details", ["dump", "--bkp-details"], ["--bkp-details"], 4.0),
]


@pytest.mark.parametrize(("title", "ours", "theirs", "promised"), JOBS, ids=[job[0] for job in JOBS])
def test_against_pg_waldump(
    benchmark: BenchmarkFixture,
    bench_wal: BenchWal,
    tmp_path: Path,
    title: str,
    ours: list[str],
    theirs: list[str],
    promised: float,
) -> None:
    """The same work on both sides; the smallest of its kind, one page, is what is subtracted as process start."""
    report = next(iter(verify(open_source(bench_wal.folder))))
    whole = ("-p", str(bench_wal.folder), "-s", str(report.first), "-e", str(report.end_lsn))
    one_page = tmp_path / report.run.segments[0].file_name
    one_page.write_bytes((bench_wal.folder / one_page.name).read_bytes()[:8192])
    command, peer_command = [*OURS, "wal", *ours], [str(bench_wal.pg_waldump), *theirs]
    mine, peer = benchmark.pedantic(
        compare,
        (
            ([*command, str(bench_wal.folder)], [*command, str(one_page)]),
            ([*peer_command, *whole], [*peer_command, "-n", "1", *whole]),
            5 if "dump" in ours else 11,
        ),
        rounds=1,
    )
    size = report.end_lsn - report.run.segments[0].start
    name = f"PostgreSQL {bench_wal.major}, {title}: {report.records} records, {size / 1e6:.0f} MB"
    print(table(name, mine, peer, "pg_waldump"), _speed(size, mine, peer, bench_wal.folder), sep="\n")
    assert peer.net / mine.net >= promised, "slower than promised; a busy machine shows as a wide spread of repeats"


def _speed(size: int, mine: Side, peer: Side, folder: Path) -> str:
    limit = read_limit(sorted(folder.glob("0*")))
    return (
        f"  {size / mine.net / 1e9:.2f} GB/s, pg_waldump {size / peer.net / 1e9:.2f} GB/s; "
        f"read() alone {limit / 1e9:.2f} GB/s"
    )


def test_process_start(benchmark: BenchmarkFixture, bench_wal: BenchWal, tmp_path: Path) -> None:
    """What ``--version`` of each takes, and a ``wal`` command with one page to read."""
    if bench_wal.major != 15:
        pytest.skip("the same for every major")
    one_page = tmp_path / "000000010000000000000001"
    one_page.write_bytes((bench_wal.folder / one_page.name).read_bytes()[:8192])
    commands = {
        "pgreplterm --version": [*OURS, "--version"],
        "pgreplterm wal verify": [*OURS, "wal", "verify", str(one_page)],
        "pg_waldump --version": [str(bench_wal.pg_waldump), "--version"],
    }
    took = benchmark.pedantic(
        lambda: [median(seconds(each) for _ in range(15)) for each in commands.values()], rounds=1
    )
    for name, one in zip(commands, took, strict=True):
        print(f"\n  {name:<22} {one * 1e3:.1f} ms", end="")


def test_memory_of_a_gigabyte(benchmark: BenchmarkFixture, bench_wal: BenchWal, tmp_path: Path) -> None:
    """Peak memory of walking 1 GiB of segments, which is what one segment of that size takes, and of their index."""
    if bench_wal.major != 15:
        pytest.skip("the same for every major")
    copies = [tmp_path / str(number) for number in range(-(-1024 * MB // bench_wal.size))]
    for copy in copies:
        copy.symlink_to(bench_wal.folder)
    script = "import sys; from pgreplterm import wal\nfor path in sys.argv[1:]: list(wal.verify(wal.open_source(path)))"
    peak = benchmark.pedantic(_peak_memory, ([sys.executable, "-c", script, *map(str, copies)],), rounds=1)
    start = _peak_memory([sys.executable, "-c", "from pgreplterm import wal; wal.verify, wal.open_source"])
    size = len(copies) * bench_wal.size / MB
    print(f"\n  peak {peak / MB:.1f} MB for {size:.0f} MB of WAL; the program alone {start / MB:.1f} MB")
    assert peak <= 64 * MB

    source = open_source(bench_wal.folder)
    index = Index(source, source.runs[0])
    for _ in index.build():
        pass
    print(f"  index: {ROW_SIZE} bytes a record, {len(index)} records")
    assert ROW_SIZE <= 40


def _peak_memory(command: list[str]) -> int:
    """Peak resident bytes of a program."""
    report = f"import resource, subprocess, sys; subprocess.run({command!r}, check=True); " + (
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) * 1024


@pytest.mark.benchmark(group="in process")
def test_verify_in_process(benchmark: BenchmarkFixture, bench_wal: BenchWal) -> None:
    """The same work without a process around it."""
    source = open_source(bench_wal.folder)
    reports = benchmark(lambda: list(verify(source)))
    assert not any(report.is_finding for report in reports)
