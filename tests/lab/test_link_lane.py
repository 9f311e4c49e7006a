"""What a lane permits, under a clock of the test's own."""

from __future__ import annotations

import pytest

from pgreplterm.lab.link_condition import Flow, Stall
from pgreplterm.lab.relay_lane import BUFFER, GOOD_BUFFER, LONGEST_LINE, Lane


def test_a_good_lane_permits_everything_at_once() -> None:
    lane = Lane(Flow(), 0)
    assert lane.unlimited
    assert not lane.delays
    assert (lane.window, lane.allowance(0), lane.stalled(0), lane.wait(0)) == (GOOD_BUFFER, GOOD_BUFFER, 0, 0)


def test_a_lane_that_is_slow_in_any_way_holds_little() -> None:
    lane = Lane(Flow(), 0)
    lane.change(Flow(stall=Stall(1, 0.5)), 1)
    assert (lane.window, lane.buffer) == (BUFFER, BUFFER)
    lane.change(Flow(cut=True), 1)  # shrinking would have the kernel drop what it has promised to take
    assert lane.buffer == GOOD_BUFFER


@pytest.mark.parametrize("rate", [1, 7, 1000, 1_000_000, 1_000_000_000])
def test_no_second_carries_more_than_its_bandwidth_and_a_tenth(rate: int) -> None:
    lane, now, read = Lane(Flow(bandwidth=rate), 0.0), 0.0, []
    while now < 20:
        size = lane.allowance(now)
        if size:
            read.append((now, size))
            lane.spend(size)
        now += max(lane.wait(now), 0.001)
    assert sum(size for _, size in read) == pytest.approx(20 * rate, abs=rate * 0.2 + 2)
    for second in range(19):
        within = sum(size for at, size in read if second <= at < second + 1)
        assert within <= rate * 1.1 + 1
    assert all(size <= max(1, rate * 0.1) for _, size in read)


def test_a_pause_earns_a_tenth_of_a_second_and_no_more() -> None:
    lane = Lane(Flow(bandwidth=1000), 0)
    assert lane.allowance(0) == 0
    assert lane.wait(0) == pytest.approx(0.01, abs=1e-5)
    assert lane.allowance(3600) == 100


def test_bytes_are_due_after_the_latency_and_in_the_order_they_came() -> None:
    lane = Lane(Flow(latency=0.5, jitter=0.5), 0)
    due, dues = 0.0, []
    for number in range(1000):
        due = lane.due(number * 0.001, due)
        dues.append(due - number * 0.001)
        assert 0 <= dues[-1] <= 1.0
    assert len(set(dues)) > 2
    steady = Lane(Flow(latency=0.5), 0)
    assert steady.due(1, 0) == 1.5
    assert steady.due(1, 2) == 2


def test_a_line_holds_what_its_latency_and_bandwidth_make_of_it() -> None:
    assert Lane(Flow(latency=0.1, bandwidth=1_000_000), 0).window == BUFFER + 100_000
    assert Lane(Flow(latency=60), 0).window == LONGEST_LINE


def test_a_stall_ends_each_period() -> None:
    lane = Lane(Flow(stall=Stall(every=5, hold=1)), 100)
    stalls = [(at, lane.stalled(100 + at)) for at in (0, 3.9, 4, 4.5, 5, 8.9, 9.75)]
    assert stalls == [(0, 0), (3.9, 0), (4, 1), (4.5, 0.5), (5, 0), (8.9, 0), (9.75, 0.25)]
    assert lane.wait(104.5) == 0.5


def test_a_change_starts_anew_and_keeps_the_figures() -> None:
    lane = Lane(Flow(bandwidth=10), 0)
    lane.deliver(500, 0.25)
    lane.change(Flow(latency=1), 1)
    assert lane.unlimited
    assert lane.delays
    found = lane.report(2)
    assert (found.carried, found.seconds, found.rate, found.delay) == (500, 1, 0, None)


def test_rates_and_delays_are_of_the_last_two_marks() -> None:
    lane = Lane(Flow(), 0)
    lane.deliver(100, 0.5)
    lane.mark(1)
    assert lane.report(1).rate == 100
    lane.deliver(300, 0.1)
    both = lane.report(1.5)
    assert both.rate == pytest.approx(400 / 1.5)
    assert both.delay == pytest.approx((100 * 0.5 + 300 * 0.1) / 400)
    assert both.most_delay == 0.5
    lane.mark(2)
    last = lane.report(2)
    assert (last.rate, last.most_delay) == (300, 0.1)
    assert last.delay == pytest.approx(0.1)
    lane.mark(3)
    nothing = lane.report(3)
    assert (nothing.carried, nothing.rate, nothing.delay, nothing.most_delay) == (400, 0, None, None)


def test_what_the_kernel_gives_back_was_not_carried() -> None:
    lane = Lane(Flow(), 0)
    lane.deliver(500, 0.25)
    lane.mark(0.5)
    lane.mark(1)
    lane.take_back(200)
    found = lane.report(2)
    assert (found.carried, found.dropped, found.rate, found.delay) == (300, 200, 0, None)
