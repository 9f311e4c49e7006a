"""Whole commands against pg_waldump on the same segments, one thread each, page cache warm."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from pgreplterm.wal import open_source, verify

from .paired import compare, table

PROMISED = 1.5  # times as fast as pg_waldump --quiet, process start subtracted on both sides


def test_verify_against_pg_waldump(
    benchmark: BenchmarkFixture, pgbench_wal: Path, pg_waldump: Path, tmp_path: Path
) -> None:
    """``wal verify`` checks CRCs, chain and fragments as ``pg_waldump --quiet`` does, and tells the kind of end."""
    report = next(iter(verify(open_source(pgbench_wal))))
    whole = ("-p", str(pgbench_wal), "-s", str(report.first), "-e", str(report.end_lsn))
    one_page = tmp_path / report.run.segments[0].file_name
    with report.run.segments[0].path.open("rb") as segment:
        one_page.write_bytes(segment.read(8192))
    ours = [sys.executable, "-m", "pgreplterm", "wal", "verify"]
    theirs = [str(pg_waldump), "--quiet"]
    mine, peer = benchmark.pedantic(
        compare,
        (
            ([*ours, str(pgbench_wal)], [*ours, str(one_page)]),
            ([*theirs, *whole], [*theirs, "-n", "1", *whole]),
        ),
        rounds=1,
    )
    print(
        table(f"wal verify, {report.records} records, {report.record_bytes / 1e6:.0f} MB", mine, peer, "pg_waldump -q")
    )
    assert peer.net / mine.net >= PROMISED, "slower than promised; a busy machine shows as a wide spread of repeats"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(["dump"], []), (["stat"], ["--stats"]), (["stat", "--by", "record"], ["--stats=record"])],
    ids=["dump", "stat", "stat by record"],
)
def test_the_other_commands_against_pg_waldump(
    benchmark: BenchmarkFixture, pgbench_wal: Path, pg_waldump: Path, tmp_path: Path, ours: list[str], theirs: list[str]
) -> None:
    """The same tables, and the same lines but for descriptions, which ours does not print yet. Nothing is promised."""
    report = next(iter(verify(open_source(pgbench_wal))))
    whole = ("-p", str(pgbench_wal), "-s", str(report.first), "-e", str(report.end_lsn))
    one_page = tmp_path / report.run.segments[0].file_name
    with report.run.segments[0].path.open("rb") as segment:
        one_page.write_bytes(segment.read(8192))
    our_command, peer_command = [sys.executable, "-m", "pgreplterm", "wal", *ours], [str(pg_waldump), *theirs]
    mine, peer = benchmark.pedantic(
        compare,
        (
            ([*our_command, str(pgbench_wal)], [*our_command, str(one_page)]),
            ([*peer_command, *whole], [*peer_command, "-n", "1", *whole]),
            5,
        ),
        rounds=1,
    )
    print(table(f"wal {' '.join(ours)}, {report.records} records", mine, peer, "pg_waldump"))


@pytest.mark.benchmark(group="in process")
def test_verify_in_process(benchmark: BenchmarkFixture, pgbench_wal: Path) -> None:
    """The same work without a process around it."""
    source = open_source(pgbench_wal)
    reports = benchmark(lambda: list(verify(source)))
    assert not any(report.is_finding for report in reports)
