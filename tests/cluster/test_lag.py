"""Trail, rates, catch-up, history and percentiles: the arithmetic of lag, without servers."""

from __future__ import annotations

import random
import sys
from dataclasses import replace

import pytest

from pgreplterm.cli.lag import table_lines
from pgreplterm.cluster import words
from pgreplterm.cluster.history import CAPACITY, SPAN, LagHistory, series_names
from pgreplterm.cluster.joining.join import join
from pgreplterm.cluster.joining.rates import WINDOW, catch_up_of, rates_of
from pgreplterm.cluster.joining.trail import DENSE, LONGEST, Path, Trail
from pgreplterm.cluster.lag import lag_rows
from pgreplterm.cluster.model import CatchUp, ClusterSnapshot, Link, NodeSample, Rates
from pgreplterm.cluster.percentiles import spread_of
from pgreplterm.wal.lsn import LSN

from .samples import END, NOW, failed, primary, seen, sender, standby

MB = 1 << 20


def path(*marks: tuple[float, int]) -> Path:
    """Marks as (seconds from NOW, bytes past END)."""
    made = Path()
    for at, offset in marks:
        made = made.extended(NOW + at, LSN(END + offset))
    return made


def link_to_s1(snapshot: ClusterSnapshot) -> Link:
    link = snapshot.link_to("s1")
    assert link is not None
    return link


def linked(replay: int, **changes: object) -> Link:
    """A link that far behind in replay."""
    row = sender("s1", replay_lsn=LSN(END - replay))
    link = link_to_s1(join((seen(primary(senders=(row,))), seen(standby("s1"))), NOW))
    return replace(link, **changes)  # type: ignore[arg-type]


class TestTrail:
    """What is kept of a node's positions."""

    def test_tells_the_bounds_a_full_record_would(self) -> None:
        """With the ticks of the last minute the bounds are those of every mark; before, they are a second wider."""
        chance = random.Random(4)
        marks, at, position = [], 0.0, int(END)
        trail = Trail()
        for _ in range(3000):
            at += 0.1
            position += chance.choice((0, 0, 0, 500, 90_000))
            marks.append((NOW + at, LSN(position)))
            trail = trail.extended({"pg1": primary(taken_at=NOW + at, write_lsn=LSN(position))})
        now = NOW + at
        for _ in range(300):
            asked = LSN(chance.randrange(int(END), position))
            past = [when for when, lsn in marks if lsn > asked]
            before = [when for when, lsn in marks if lsn <= asked]
            found = trail.behind("pg1", asked, now)
            slack = 1e-6 if now - past[0] < DENSE else 1.2
            assert found.least is not None
            assert now - past[0] - slack <= found.least <= now - past[0]
            assert found.most is None or not before or now - before[-1] <= found.most <= now - before[-1] + slack

    def test_is_bounded_at_ten_ticks_a_second(self) -> None:
        made = path(*((tick / 10, tick) for tick in range(60_000)))
        assert len(made.recent) <= DENSE * 10 + 2
        assert len(made.past) == LONGEST
        assert made.recent[-1][0] - made.past[0][0] > 3600

    def test_begins_anew_when_a_node_was_rewound(self) -> None:
        assert path((0, 100), (1, 200), (2, 50)) == path((2, 50))

    def test_forgets_walsenders_that_are_gone(self) -> None:
        trail = Trail().extended({"pg1": primary(senders=(sender("s1"), sender("s2")))})
        later = trail.extended({"pg1": primary(taken_at=NOW + 1, senders=(sender("s2"),))})
        assert [key[1] for key in later.confirmed] == [sender("s2").pid]
        assert trail.extended({}).confirmed.keys() == trail.confirmed.keys()

    def test_a_position_between_two_ticks_is_as_if_it_moved_evenly(self) -> None:
        made = path((0, 0), (1, 100), (5, 100), (6, 300))
        assert [made.at(NOW + at) - END for at in (0, 0.5, 1, 3, 5.25, 6)] == [0, 50, 100, 100, 150, 300]


class TestRates:
    """Bytes a second, of both ends over the same stretch."""

    def test_are_those_of_the_window(self) -> None:
        written = path((-40, 0), (-WINDOW, 40 * MB), (0, 55 * MB))
        replayed = path((-40, 0), (-WINDOW, 10 * MB), (0, 40 * MB))
        assert rates_of(written, replayed, NOW) == Rates(pytest.approx(MB), pytest.approx(2 * MB), WINDOW)

    def test_take_two_ticks(self) -> None:
        assert rates_of(path((0, 0)), path((0, 0)), NOW) is None
        assert rates_of(None, path((-5, 0), (0, 1)), NOW) is None

    def test_without_a_replay_position_are_the_upstreams_alone(self) -> None:
        assert rates_of(path((-2, 0), (0, 200)), None, NOW) == Rates(100.0, None, 2.0)

    def test_of_old_positions_say_nothing_of_now(self) -> None:
        written, stopped = path((-10, 0), (0, 1000)), path((-10, 0), (-6, 400))
        assert rates_of(written, stopped, NOW) == Rates(100.0, None, 10.0)
        assert rates_of(written, written, NOW + 60) is None

    def test_of_a_node_that_stands_still_are_0_and_known(self) -> None:
        for ticks in range(2, 200):
            still = path(*((-at, 0) for at in range(ticks, -1, -1)))
            assert rates_of(still, still, NOW) == Rates(0.0, 0.0, min(ticks, WINDOW))


class TestCatchUp:
    """Seconds, never, or nothing to say."""

    def test_is_the_gap_over_the_difference(self) -> None:
        assert catch_up_of(linked(30 * MB), None, Rates(1 * MB, 4 * MB, 15)) == CatchUp(pytest.approx(10))

    @pytest.mark.parametrize("replay", [0, 1 * MB, 2 * MB, 2.01 * MB])
    def test_is_never_when_replay_is_no_faster(self, replay: float) -> None:
        assert catch_up_of(linked(30 * MB), None, Rates(2 * MB, replay, 15)) == CatchUp(None, never=True)

    def test_is_never_when_replay_is_paused_or_the_link_is_stalled_whatever_the_rates(self) -> None:
        fast = Rates(0, 9 * MB, 15)
        assert catch_up_of(linked(30 * MB), standby("s1", replay_paused=True), fast) == CatchUp(None, never=True)
        assert catch_up_of(linked(30 * MB, evidence_age=60.0), standby("s1"), None) == CatchUp(None, never=True)

    def test_is_nothing_for_a_small_or_unknown_gap_or_unknown_rates(self) -> None:
        rates = Rates(0, 9 * MB, 15)
        assert catch_up_of(linked(0), None, rates) is None
        assert catch_up_of(linked(MB - 1), standby("s1", replay_paused=True), rates) is None
        assert catch_up_of(linked(2 * MB), None, None) is None
        assert catch_up_of(linked(2 * MB), None, Rates(1, None, 15)) is None
        unknown = linked(0)
        assert catch_up_of(replace(unknown, gaps=replace(unknown.gaps, replay=None)), None, rates) is None

    def test_cells(self) -> None:
        def cell(catch_up: CatchUp | None, gap: int = 30 * MB) -> str:
            return words.catch_up(linked(gap, catch_up=catch_up))

        assert [cell(CatchUp(75.0)), cell(CatchUp(None, never=True))] == ["1m15s", "never"]
        assert [cell(None), cell(None, gap=1), words.catch_up(None)] == ["?", "-", "?"]

    def test_of_a_watched_standby_goes_by_its_own_word(self) -> None:
        """Its replies are ten seconds apart when nothing is received any more; it itself can be asked each tick."""
        snapshot = self.tick_by_tick(watched=True)
        assert link_to_s1(snapshot).catch_up == CatchUp(pytest.approx(20, rel=0.1))

    def test_of_an_unwatched_one_goes_by_its_replies(self) -> None:
        snapshot = self.tick_by_tick(watched=False)
        assert link_to_s1(snapshot).catch_up == CatchUp(pytest.approx(25, rel=0.1))

    @staticmethod
    def tick_by_tick(watched: bool) -> ClusterSnapshot:
        """Ten ticks: replay makes 2 MB each (as told by the replies: 1.6 MB), 40 MB are left, nothing is written."""
        trail = Trail()
        for tick in range(-10, 1):
            replied = LSN(END - 40 * MB + int(1.6 * MB * tick))
            at = {"taken_at": NOW + tick}
            above: NodeSample = primary(senders=(sender("s1", replay_lsn=replied),), **at)
            below = standby("s1", replay_lsn=LSN(END - 40 * MB + 2 * MB * tick), **at)
            everyone = (seen(above), seen(below)) if watched else (seen(above),)
            trail = trail.extended({one.address: one.sample for one in everyone if one.sample is not None})
        return join(everyone, NOW, trail=trail)


class TestHistory:
    """The ring."""

    @staticmethod
    def at(seconds: float, gap: int | None, name: str = "s1") -> ClusterSnapshot:
        row = sender(name, replay_lsn=None if gap is None else LSN(END - gap))
        return join((seen(primary(senders=(row,))),), NOW + seconds)

    def test_keeps_an_hour_at_ten_ticks_a_second_in_a_few_megabytes(self) -> None:
        history, snapshot = LagHistory(), self.at(0, 7)
        for tick in range(CAPACITY + 4000):
            history.add(replace(snapshot, taken_at=NOW + tick / 10))
        points = history.points("s1")
        assert len(points) == CAPACITY
        assert points[-1].at - points[0].at == pytest.approx(SPAN, abs=0.2)
        series = history._series["s1"].points
        assert sum(map(sys.getsizeof, series)) + sys.getsizeof(series) < 5e6

    def test_keeps_an_hour_at_one_tick_a_second(self) -> None:
        history, snapshot = LagHistory(), self.at(0, 7)
        for tick in range(4000):
            history.add(replace(snapshot, taken_at=NOW + tick))
        assert len(history.points("s1")) == SPAN

    def test_keeps_what_it_was_given(self) -> None:
        history, snapshot = LagHistory(), self.at(0, 3 << 50)
        history.add(snapshot)
        link = link_to_s1(snapshot)
        (point,) = history.points("s1")
        assert (point.at, point.gaps, point.time_lag, point.evidence_age) == (
            NOW, link.gaps, link.time_lag, link.evidence_age,
        )  # fmt: skip

    def test_played_backwards_forgets_what_comes_after(self) -> None:
        history = LagHistory()
        for second in (0, 1, 2, 3, 1):
            history.add(self.at(second, second))
        assert history.replay("s1") == [(NOW, 0), (NOW + 1, 1)]

    def test_asked_from_an_instant_on_gives_no_more(self) -> None:
        history = LagHistory()
        for second in range(5):
            history.add(self.at(second, second))
        assert [gap for _, gap in history.replay("s1", since=NOW + 3)] == [3, 4]

    def test_a_link_whose_figures_are_hidden_is_kept_as_unknown(self) -> None:
        history = LagHistory()
        for second in range(3):
            history.add(self.at(second, None))
        assert history.replay("s1") == [(NOW, None), (NOW + 1, None), (NOW + 2, None)]

    def test_downstreams_of_one_name_are_told_apart_and_the_watched_one_keeps_it(self) -> None:
        rows = (sender("s1"), sender("s1", pid=8, slot_name=None), sender("s1", pid=9, slot_name="other"))
        snapshot = join((seen(primary(senders=rows)), seen(standby("s1"))), NOW)
        names = series_names(snapshot)
        assert len(set(names)) == 3
        assert names[[link.receiver is not None for link in snapshot.links].index(True)] == "s1"


class TestPercentiles:
    """Nearest rank, and unknown is no zero."""

    def test_are_values_that_were_seen(self) -> None:
        spread = spread_of(range(1, 201))
        assert (spread.p50, spread.p95, spread.p99, spread.max) == (100, 190, 198, 200)

    def test_unknown_points_are_counted_apart(self) -> None:
        spread = spread_of([None, 8, None, 2, None])
        assert (spread.p50, spread.max, spread.known, spread.unknown) == (2, 8, 2, 3)

    def test_of_nothing_known_are_unknown(self) -> None:
        spread = spread_of([None, None])
        assert (spread.p50, spread.p99, spread.max, spread.known, spread.unknown) == (None, None, None, 0, 2)

    def test_of_time_take_a_caught_up_link_for_0_and_a_lost_one_for_unknown(self) -> None:
        history = LagHistory()
        history.add(join((seen(primary(senders=(sender("s1"),))), seen(standby("s1"))), NOW))
        history.add(join((seen(primary()), seen(standby("s1", receiver=None))), NOW + 1))
        history.add(TestHistory.at(2, 500))
        seen_so_far = history.statistics("s1")
        assert seen_so_far is not None
        assert (seen_so_far.replay.known, seen_so_far.replay.unknown, seen_so_far.replay.max) == (2, 1, 500)
        assert (seen_so_far.time.known, seen_so_far.time.unknown, seen_so_far.time.max) == (1, 2, 0.0)
        assert history.statistics("s2") is None


class TestTable:
    """``pgreplterm lag``'s rows."""

    def test_a_hostile_name_is_drawn_literally_and_moves_no_cursor(self) -> None:
        snapshot = join((seen(primary(senders=(sender("[red]x\x1b[2J", slot_name=None),))),), NOW)
        line = table_lines(snapshot)[1]
        assert line.startswith("[red]x\N{REPLACEMENT CHARACTER}[2J pg1 ")

    def test_what_never_replays_has_no_replay_figures(self) -> None:
        receivewal = sender("pg_receivewal", slot_name=None, replay_lsn=None, replay_lag=20.0)
        backup = sender("pg_basebackup", state="backup", sent_lsn=None, write_lsn=None, flush_lsn=None, replay_lsn=None)
        nothing = replace(backup, reply_age=None, slot_name=None)
        snapshot = join((seen(primary(senders=(receivewal, nothing))),), NOW)
        assert {row.state: row.cells for row in lag_rows(snapshot)} == {
            "streaming": ("0", "0", "0", "-", "-", "-", "0.3s", "?", "-"),
            "backup": ("-", "-", "-", "-", "-", "-", "-", "?", "-"),
        }

    def test_of_a_silent_upstream_everything_is_unknown(self) -> None:
        below = standby("s1")
        snapshot = join((failed(primary(senders=(sender("s1"),))), seen(below)), NOW)
        (row,) = lag_rows(snapshot)
        assert row.cells[:6] == ("?",) * 6
