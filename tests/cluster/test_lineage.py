"""Who follows whom, and what would be lost, from histories and positions alone."""

from __future__ import annotations

from pgreplterm.cluster.lineage import Comparison, Lineage, Relation, compare, compare_lineages
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.timeline import Fork, TimelineHistory, TimelineSwitch

from .samples import END, primary, standby


def line(end: int, *ancestors: tuple[int, int], timeline: int | None = None) -> Lineage:
    steps = tuple(TimelineSwitch(parent, LSN(at), "") for parent, at in ancestors)
    return Lineage(TimelineHistory(timeline or len(steps) + 1, steps), LSN(end))


def test_behind_on_the_same_timeline_follows() -> None:
    assert compare_lineages(line(50), line(90)) == Comparison(Relation.FOLLOWS, Fork(1, LSN(50)), 0)


def test_ahead_on_the_same_timeline_is_ahead() -> None:
    assert compare_lineages(line(90), line(50)) == Comparison(Relation.AHEAD, Fork(1, LSN(50)), 40)


def test_ending_exactly_at_the_fork_follows() -> None:
    assert compare_lineages(line(80), line(200, (1, 80))).relation is Relation.FOLLOWS


def test_one_byte_past_the_fork_is_diverged() -> None:
    assert compare_lineages(line(81), line(200, (1, 80))) == Comparison(Relation.DIVERGED, Fork(1, LSN(80)), 1)


def test_a_new_primary_is_ahead_of_an_old_one_that_stopped_in_time() -> None:
    assert compare_lineages(line(200, (1, 80)), line(80)).relation is Relation.AHEAD


def test_two_standbys_promoted_apart_are_two_lines_with_one_number() -> None:
    left, right = line(300, (1, 80)), line(300, (1, 90))
    assert compare_lineages(left, right) == Comparison(Relation.DIVERGED, Fork(1, LSN(80)), 220)


def test_no_timeline_in_common_is_unrelated() -> None:
    assert compare_lineages(line(10, timeline=3), line(10)).relation is Relation.UNRELATED


def test_another_system_is_unrelated_whatever_its_positions() -> None:
    assert compare(standby("s1", system_identifier=1), primary()).relation is Relation.UNRELATED


def test_a_history_that_was_not_read_leaves_the_relation_unknown() -> None:
    assert compare(standby("s1", timeline=2), primary()).relation is Relation.UNKNOWN
    assert compare(standby("s1", flush_lsn=None, replay_lsn=None), primary()).relation is Relation.UNKNOWN


def test_timeline_one_needs_no_history_file() -> None:
    assert (
        compare(standby("s1", flush_lsn=LSN(END - 5), replay_lsn=LSN(END - 5)), primary()).relation is Relation.FOLLOWS
    )
