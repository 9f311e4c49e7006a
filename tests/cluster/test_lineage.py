"""Who follows whom, and what would be lost, from histories, positions and beginnings alone."""

from __future__ import annotations

from dataclasses import replace

from pgreplterm.cluster.forks.grounds import Beginning, LineageEvidence
from pgreplterm.cluster.forks.lineage import Comparison, Lineage, Relation, compare, compare_lineages
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.timeline import Fork, TimelineHistory, TimelineSwitch

from .samples import END, primary, standby


def line(end: int, *ancestors: tuple[int, int], timeline: int | None = None, **crcs: int) -> Lineage:
    """A lineage; t2=7 says that timeline 2 began with a record of CRC 7."""
    steps = tuple(TimelineSwitch(parent, LSN(at), "") for parent, at in ancestors)
    history = TimelineHistory(timeline or len(steps) + 1, steps)
    numbers = [step.timeline for step in steps[1:]] + [history.timeline]
    began = {number: step.switchpoint for number, step in zip(numbers, steps, strict=False)}
    beginnings = tuple(Beginning(int(name[1:]), began[int(name[1:])], crc) for name, crc in crcs.items())
    return Lineage(history, LSN(end), beginnings)


def test_behind_on_the_same_timeline_follows() -> None:
    assert compare_lineages(line(50), line(90)) == Comparison(Relation.FOLLOWS, Fork(1, LSN(50)), 0, 40)


def test_ahead_on_the_same_timeline_is_ahead() -> None:
    assert compare_lineages(line(90), line(50)) == Comparison(Relation.AHEAD, Fork(1, LSN(50)), 40, 0)


def test_ending_exactly_at_the_fork_follows() -> None:
    assert compare_lineages(line(80), line(200, (1, 80))).relation is Relation.FOLLOWS


def test_one_byte_past_the_fork_is_diverged_and_both_sides_are_counted() -> None:
    assert compare_lineages(line(81), line(200, (1, 80))) == Comparison(Relation.DIVERGED, Fork(1, LSN(80)), 1, 120)


def test_a_new_primary_is_ahead_of_an_old_one_that_stopped_in_time() -> None:
    assert compare_lineages(line(200, (1, 80)), line(80)).relation is Relation.AHEAD


def test_two_standbys_promoted_apart_are_two_lines_with_one_number() -> None:
    left, right = line(300, (1, 80)), line(300, (1, 90))
    assert compare_lineages(left, right) == Comparison(Relation.DIVERGED, Fork(1, LSN(80)), 220, 220)


def test_no_timeline_in_common_is_unrelated() -> None:
    assert compare_lineages(line(10, timeline=3), line(10)).relation is Relation.UNRELATED


def test_one_promotion_seen_from_both_sides_is_one_line() -> None:
    found = compare_lineages(line(200, (1, 80), t2=7), line(300, (1, 80), t2=7))
    assert (found.relation, found.untold, found.namesake) == (Relation.FOLLOWS, None, None)


def test_two_promotions_at_one_lsn_are_told_apart_by_how_they_began() -> None:
    """The naive comparison of histories finds one line here, and one of the two servers behind the other."""
    found = compare_lineages(line(200, (1, 80), t2=7), line(300, (1, 80), t2=8))
    assert found == Comparison(Relation.DIVERGED, Fork(1, LSN(80)), 120, 220, namesake=2)


def test_a_timeline_whose_beginning_is_hidden_on_one_side_cannot_be_told_apart() -> None:
    found = compare_lineages(line(200, (1, 80), t2=7), line(300, (1, 80)))
    assert (found.relation, found.untold) == (Relation.FOLLOWS, 2)
    assert compare_lineages(line(200), line(300)).untold is None  # the first timeline has no promotion to differ in


def test_one_promotion_in_common_proves_those_before_it() -> None:
    left, right = line(300, (1, 80), (2, 100), t3=5), line(400, (1, 80), (2, 100), t3=5)
    assert compare_lineages(left, right).untold is None


def test_the_fork_lies_before_the_first_of_several_that_differ() -> None:
    left, right = line(300, (1, 80), (2, 100), t2=1, t3=5), line(400, (1, 80), (2, 100), t2=2, t3=6)
    found = compare_lineages(left, right)
    assert (found.fork, found.namesake) == (Fork(1, LSN(80)), 2)


def test_children_with_other_numbers_share_only_the_parent() -> None:
    found = compare_lineages(line(300, (1, 80), timeline=2), line(400, (1, 80), timeline=3))
    assert (found.relation, found.fork, found.untold) == (Relation.DIVERGED, Fork(1, LSN(80)), None)


def test_another_system_is_unrelated_whatever_its_positions() -> None:
    assert compare(standby("s1", system_identifier=1), primary()).relation is Relation.UNRELATED


def test_a_history_that_was_not_read_leaves_the_relation_unknown() -> None:
    assert compare(standby("s1", timeline=2), primary()).relation is Relation.UNKNOWN
    assert compare(standby("s1", flush_lsn=None, replay_lsn=None), primary()).relation is Relation.UNKNOWN


def test_timeline_one_needs_no_history_file() -> None:
    assert (
        compare(standby("s1", flush_lsn=LSN(END - 5), replay_lsn=LSN(END - 5)), primary()).relation is Relation.FOLLOWS
    )


def test_beginnings_come_with_the_sample() -> None:
    history = TimelineHistory(2, (TimelineSwitch(1, LSN(END - 9), ""),))
    here, there = (LineageEvidence((Beginning(2, LSN(END - 9), crc),)) for crc in (1, 2))
    node = standby("s1", timeline=2, history=history, evidence=here)
    reference = replace(primary("s2", timeline=2, history=history), evidence=there)
    assert compare(node, reference).namesake == 2
