"""What is computed from points, attempts and moments, without any server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pgreplterm.drill.measure import client_figures, curves, latency, phases, registry, series
from pgreplterm.drill.measure.client_figures import client_figures as as_figures
from pgreplterm.drill.measure.clients import downtime_around, downtime_between, longest_gap, seen
from pgreplterm.drill.measure.document import page
from pgreplterm.drill.measure.pattern import Pattern, matching, slug
from pgreplterm.drill.measure.track import Track
from pgreplterm.drill.measure.verbs.fsync import file_system, parsed
from pgreplterm.drill.scenario.keys import FIGURE_NAME
from pgreplterm.lab.fates import after_all
from pgreplterm.lab.journal import Attempt, Outcome, Server

EPOCH = 1_000_000.0
OLD, NEW = 5001, 5002


def attempt(number: int, sent: float, took: float, outcome: Outcome = Outcome.OK, port: int = OLD) -> Attempt:
    """Sent at that second of the run, on the connection of that port."""
    server = Server(port, port, 1, 1, 1, 0.0)
    return Attempt(number, sent, EPOCH + sent, sent + took, outcome, port, "", server)


FAILOVER = [
    attempt(1, 0.0, 0.5),  # with the connecting in it
    attempt(2, 1.0, 0.01),
    attempt(3, 2.0, 0.03),
    attempt(4, 2.1, 0.5, Outcome.UNKNOWN),
    attempt(5, 3.0, 0.1, Outcome.ERROR),
    attempt(6, 4.0, 0.2, port=NEW),
    attempt(7, 5.0, 0.02, port=NEW),
]


def test_an_unknown_point_is_neither_zero_nor_the_peak() -> None:
    points = [(1.0, None), (1.1, 5.0), (1.2, 7.0), (1.3, 7.0), (1.6, None)]
    assert series.peak(points) == series.Peak(7.0, 1.2)
    assert series.final(points) is None
    assert series.peak([(1.0, None)]) is None
    looked = series.rate(points)
    assert (looked.samples, looked.known) == (5, 3)
    assert looked.hertz == pytest.approx(4 / 0.6)
    assert looked.largest_gap == pytest.approx(0.3)
    assert "2 of them unknown" in looked.words


def test_catching_up_takes_a_known_gap_and_the_state() -> None:
    points = [(1.0, 0.0), (2.0, 50.0), (3.0, None), (4.0, 8.0), (5.0, 0.0), (6.0, 0.0)]
    states = ["streaming", "streaming", None, "streaming", "catchup", "streaming"]
    assert series.came_down(points, states, 1.5) == 4.5
    assert series.came_down(points, states, 1.5, most=10) == 2.5
    assert series.came_down(points, states, 6.5) is None
    assert series.came_down(points, states, 0.5) == 5.5  # not behind yet at first
    assert series.came_down(points[:1], states[:1], 0.5) == 0.5  # and never so far
    assert [change.state for change in series.changes([1, 2, 3, 4, 5, 6], states)] == [
        "streaming",
        None,
        "streaming",
        "catchup",
        "streaming",
    ]


def test_a_state_that_nobody_saw_was_not_kept() -> None:
    times = [1.0, 1.1, 1.2, 1.3]
    assert series.stayed(times, ["streaming"] * 4, "streaming", 1) is True
    assert series.stayed(times, ["unknown", "streaming", "stale", "streaming"], "streaming", 1) is True
    assert series.stayed(times, ["streaming", None, "catchup", "streaming"], "streaming", 1) is False
    assert series.stayed([1.0, 1.1, 9.0], ["streaming", "stale", "streaming"], "streaming", 1) is None
    assert series.stayed([1.0, 1.1, 9.0], ["streaming", "stale", "stale"], "streaming", 1) is None
    assert series.stayed(times, ["unknown"] * 4, "streaming", 1) is None


def test_downtime_is_from_acknowledgement_to_acknowledgement() -> None:
    assert downtime_between(FAILOVER, OLD, NEW) == pytest.approx(4.2 - 2.03)
    assert downtime_around(FAILOVER, EPOCH + 2.1) == pytest.approx(4.2 - 2.03, abs=1e-6)
    assert downtime_between(FAILOVER[:5], OLD, NEW) is None
    assert downtime_around(FAILOVER, EPOCH + 9) is None
    gap = longest_gap(FAILOVER)
    assert gap is not None
    assert gap.seconds == pytest.approx(2.17)
    assert gap.at == pytest.approx(EPOCH + 2.03)
    frozen = longest_gap(FAILOVER, until=EPOCH + 60)
    assert frozen is not None and frozen.seconds == pytest.approx(60 - 5.02)


def test_the_fates_of_ids_are_counted_over_clients() -> None:
    one = seen(1, FAILOVER, [after_all([1, 2, 4, 6, 7])], 2.0, old_branch=[1, 2, 3, 4])
    two = seen(2, FAILOVER, [after_all([1, 2, 3, 6, 6, 7])], 4.0, old_branch=[])
    found = {figure.key: figure.value for figure in as_figures([one, two], "pg1 to pg2")}
    assert found["lost_ids"] == ("1:3",)
    assert (found["lost"], found["lost_on_old_primary"]) == (1, 1)
    assert (found["acknowledged"], found["failed_attempts"], found["unknown"]) == (10, 2, 2)
    assert (found["ids_unknown_present"], found["ids_unknown_absent"], found["ids_duplicate"]) == (1, 1, 1)
    assert (found["downtime_min_seconds"], found["downtime_median_seconds"], found["downtime_seconds"]) == (2, 3, 4)
    assert found["downtime_seconds:2"] == 4.0


def test_what_nobody_read_is_not_a_loss_of_zero() -> None:
    one = seen(1, FAILOVER, [], None)
    found = {figure.key: figure for figure in as_figures([one], "pg1 to pg2")}
    assert (found["lost"].value, found["lost_ids"].value, found["downtime_seconds"].value) == (None, None, None)
    assert "7 ids were not looked for" in found["lost"].how
    assert found["ids_unread"].value == 7


def test_latency_is_that_of_commits_on_open_connections() -> None:
    clients = {1: FAILOVER}
    spread = latency.latencies(clients, EPOCH, EPOCH + 10)
    assert spread.known == 3
    assert (spread.p50, spread.max) == pytest.approx((0.02, 0.03))
    assert latency.latencies(clients, EPOCH, EPOCH + 10, NEW).known == 1
    assert latency.latencies(clients, EPOCH + 2.5, EPOCH + 3).p50 is None
    assert latency.ports(clients) == (OLD, NEW)


def test_commits_in_whole_seconds_with_the_empty_ones() -> None:
    clients = {1: FAILOVER}
    assert latency.in_seconds(clients) == tuple((EPOCH + at, count) for at, count in ((1, 1), (2, 1), (3, 0), (4, 1)))
    assert latency.throughput(clients, EPOCH + 3, EPOCH + 4) == 0
    assert latency.throughput(clients, EPOCH + 20, EPOCH + 30) is None
    assert latency.curve({}) is None


def test_a_journal_adds_the_curve_of_commits(tmp_path: Path) -> None:
    journal = tmp_path / "probe-1.tsv"
    journal.write_text("".join(f"{each.server.line() if each.server else ''}{each.line()}" for each in FAILOVER))
    (curve,) = curves.curves(Track(), [journal])
    assert (curve.key, curve.points) == ("commits_per_second", latency.in_seconds({1: FAILOVER}))


def test_phases_stop_where_the_moments_do() -> None:
    moments = phases.Moments(failed=10.0, detected=11.0, decided=11.5, promoted=12.0)
    assert [figure.value for figure in phases.phases(moments)] == [1.0, 0.5, 0.5, None]
    assert phases.first_write([FAILOVER], NEW, EPOCH) == pytest.approx(EPOCH + 4.2)
    assert phases.first_write([FAILOVER], NEW, EPOCH + 9) is None


def test_pg_test_fsync_is_read_to_the_end_of_its_first_table() -> None:
    said = """1 second per test
Compare file sync methods using one 8kB write:
(in "wal_sync_method" preference order, except fdatasync is Linux's default)
        open_datasync                      2461.755 ops/sec     406 usecs/op
        fsync_writethrough                              n/a
        open_sync                          977449.631 ops/sec       1 usecs/op
"""
    assert parsed(said.splitlines()) == {"open_datasync": 2461.755, "fsync_writethrough": None, "open_sync": 977449.631}
    mounts = ["1 0 8:1 / / rw - ext4 /dev/sda1 rw", "2 1 0:9 / /dev/shm rw shared:3 - tmpfs tmpfs rw"]
    assert file_system(Path("/dev/shm"), mounts) == "tmpfs"
    assert file_system(Path("/usr"), mounts) == "ext4"


def test_a_pattern_makes_figures_whose_keys_it_knows() -> None:
    pattern = Pattern("refused:OPERATION:NODE", "OPERATION on NODE", "", "tried")
    figure = pattern.figure("25006", "create table", "pg2")
    assert (figure.key, figure.label) == ("refused:create_table:pg2", "create table on pg2")
    assert pattern.matches(figure.key) and not pattern.matches("refused:insert")
    assert slug("Cut pg2 off!") == "cut_pg2_off"


def test_every_figure_has_one_meaning_and_a_key_that_scenarios_take() -> None:
    known = [*curves.ALL, *client_figures.ALL, *phases.ALL, *(one for each in registry.ALL for one in each.yields)]
    meanings: dict[str, tuple[str, str]] = {}
    for each in known:
        assert meanings.setdefault(each.key, (each.label, each.unit)) == (each.label, each.unit), each.key
        example = re.sub("[A-Z]{3,}", "some_name", each.key)
        assert FIGURE_NAME.match(example), each.key
        assert matching([each], example) is each
        assert each.how and not each.how.endswith(".")
    names = [each.name for each in registry.ALL]
    assert len(set(names)) == len(names)


def test_the_page_is_what_the_program_measures() -> None:
    """docs/measurements.md is made by `python -m pgreplterm.drill.measure.document`."""
    documented = Path(__file__).parents[2] / "docs" / "measurements.md"
    assert documented.read_text(encoding="utf-8") == page()
