"""Schedules, counters and pgbench's words. No server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pgreplterm.lab.load import pgbench_log
from pgreplterm.lab.load.meter import NEWEST, Meter
from pgreplterm.lab.load.pace import ARREARS, MEMORY, Pace
from pgreplterm.lab.load.pgbench import parse
from pgreplterm.lab.load.plan import EVERY_NODE, Kind, Plan, from_json
from pgreplterm.lab.load.shared import Clock


def test_slots_are_fixed_in_time() -> None:
    pace = Pace(10, now=100.0)
    assert [round(pace.claim(100.0), 6) for _ in range(4)] == [0.0, 0.1, 0.2, 0.3]
    assert round(pace.claim(100.55), 6) == -0.15  # a slow transaction is made up for
    assert pace.holds(100.55)
    assert pace.forgiven == 0


def test_arrears_of_an_outage_are_forgiven_and_remembered() -> None:
    pace = Pace(10, now=100.0)
    assert pace.late(105.0) == 5.0
    assert not pace.holds(105.0)
    assert pace.claim(105.0) == -ARREARS
    assert pace.forgiven == pytest.approx(40)
    while pace.claim(105.0) < MEMORY:
        pass
    assert not pace.holds(105.1)  # in time again, but it has given up 40 transactions
    assert pace.holds(105.0 + MEMORY)


def test_a_transaction_that_failed_is_not_a_rate_held() -> None:
    pace = Pace(10, now=100.0)
    pace.claim(100.0)
    pace.missed(100.01)
    assert not pace.holds(100.02)


def test_what_was_not_done_is_in_no_rate() -> None:
    meter = Meter(100.0)
    meter.committed(10, 0.2)
    meter.errors += 1
    meter.doubtful(10)
    short = meter.lap(100.1)
    assert (short.rows_per_second, short.transactions_per_second) == (None, None)
    meter.committed(10, 0.4)
    second = meter.lap(101.1)
    assert (second.rows_per_second, second.transactions_per_second, second.errors) == (10.0, 1.0, 0)
    assert (second.latency.p50, second.latency.known) == (0.4, 1)
    so_far = meter.so_far(102.0)
    assert (so_far.rows_per_second, so_far.errors, so_far.latency.max) == (10.0, 1, 0.4)
    assert (meter.rows, meter.unknown_rows) == (20, 10)


def test_percentiles_keep_the_newest_commits() -> None:
    meter = Meter(0.0)
    meter.committed(1, 99.0)
    for _ in range(NEWEST):
        meter.committed(1, 1.0)
    assert meter.so_far(1.0).latency.max == 1.0
    assert meter.transactions == NEWEST + 1


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            "progress: 1700000000.125 s, 99.5 tps, lat 1.250 ms stddev 0.500, 2 failed, lag 0.750 ms",
            (1700000000.125, 99.5, 2, 0.00075),
        ),
        ("progress: 5.0 s, 10.0 tps, lat 1.000 ms stddev 0.000", (5.0, 10.0, 0, None)),
        ("progress: 5.0 s, 0.0 tps, lat -nan ms stddev -nan, 0 failed, lag -nan ms", (5.0, 0.0, 0, None)),
    ],
)
def test_progress_of_pgbench(line: str, found: tuple[object, ...]) -> None:
    told = parse(line)
    assert told is not None
    assert (told.at, told.per_second, told.failed, told.lag) == pytest.approx(found)
    assert parse(f"pgbench: error: {line}") is None


def test_the_log_of_pgbench_is_read_as_it_grows_and_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pgbench_log, "EMPTY_AT", 40)
    log = pgbench_log.TransactionLog(tmp_path, rate=2000)
    assert log.arguments()[-1] == "--sampling-rate=0.250000"
    path = tmp_path / "pgbench.123"
    with path.open("wb", buffering=0) as written:
        written.write(b"0 1 1500 0 1700000000 1 500\n1 1 failed 0 1700000000 2 0\n0 2 30")
        assert log.durations() == [0.001]
        assert path.stat().st_size == 0  # but it goes on where it was
        written.write(b"00 0 1700000000 3 1000\n0 3 7000 0 1700000000 4 0\n")
        assert log.durations()[-1] == 0.007
        assert log.durations() == []
    log.remove()
    assert not path.exists()


def test_a_plan_survives_a_command_line() -> None:
    plan = Plan(kind=Kind.BATCH, rate=500, batch=50, seconds=2.5, readers={EVERY_NODE: 1, "pg2": 3})
    assert from_json(plan.to_json()) == plan
    assert plan.transactions_per_second == 10
    assert [plan.readers_of(name) for name in ("pg1", "pg2")] == [1, 3]
    assert replace(plan, readers={}).readers_of("pg1") == 0


def test_nobody_reads_a_clock_that_was_not_told() -> None:
    clock = Clock()
    assert clock.read(5.0) is None
    clock.told(1000.0, at=4.0)
    assert clock.read(5.5) == 1001.5
