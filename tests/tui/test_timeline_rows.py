"""Lanes, forks and standings, as text."""

from __future__ import annotations

from dataclasses import replace

from pgreplterm.cluster.forks.lineage import Relation
from pgreplterm.cluster.model import ClusterSnapshot, Role
from pgreplterm.tui.glyphs import ASCII, UNICODE
from pgreplterm.tui.ink import plain
from pgreplterm.tui.timelines.lanes import lanes, reference_of, standings
from pgreplterm.tui.timelines.rows import timeline_rows
from pgreplterm.wal.lsn import LSN

from .snapshots import cluster, gone, node, sample

FORK = LSN.parse("0/3000148")


def after_failover(past_the_fork: int) -> ClusterSnapshot:
    """s1 promoted to timeline 2, the others follow it; pg1 is down with that many bytes past the fork."""
    old = node("pg1", role=Role.PRIMARY)
    old = replace(old, sample=sample("pg1", primary=True, position=LSN(FORK + past_the_fork)))
    new = replace(node("s1", role=Role.PRIMARY, timeline=2), upstream=None)
    nodes = (new, node("s3", "s1", role=Role.CASCADE, timeline=2), node("s2", "s1", timeline=2), gone(old))
    return replace(cluster(), nodes=nodes, links=())


def test_one_timeline_has_one_lane_and_no_fork() -> None:
    (only,) = lanes(cluster())
    assert (only.timeline, only.fork) == (1, None)
    assert only.tip is not None and set(only.tip.names) == {"pg1", "s1", "s2", "s3"}
    assert "None: every node is on one timeline." in plain(timeline_rows(cluster(), 80, UNICODE))


def test_a_fork_carries_its_lsn_and_reason() -> None:
    old, new = lanes(after_failover(0))
    assert old.tip is not None and old.tip.names == ("pg1",) and not old.tip.answering
    assert new.fork is not None and (new.fork.parent, new.fork.lsn) == (1, FORK)
    assert "no recovery target specified" in new.fork.reason


def test_the_reference_is_the_primary_on_the_highest_timeline() -> None:
    reference = reference_of(after_failover(0))
    assert reference is not None and reference.name == "s1"


def test_a_dead_primary_past_the_fork_has_diverged() -> None:
    standing = next(each for each in standings(after_failover(7544)) if each.node.name == "pg1")
    assert standing.comparison is not None
    assert (standing.comparison.relation, standing.comparison.beyond) == (Relation.DIVERGED, 7544)
    text = plain(timeline_rows(after_failover(7544), 120, UNICODE))
    assert "diverged: 7 kB past the fork on timeline 1 at 0/03000148; pg_rewind or rebuild" in text


def test_a_dead_primary_that_ends_at_the_fork_can_follow() -> None:
    standing = next(each for each in standings(after_failover(0)) if each.node.name == "pg1")
    assert standing.comparison is not None and standing.comparison.relation is Relation.FOLLOWS


def test_lanes_are_drawn_from_their_fork() -> None:
    text = plain(timeline_rows(after_failover(7544), 100, UNICODE)).splitlines()
    first, second = text[1], text[2]
    assert second.index("└") == first.index("┬")
    assert "○ 0/03001EC0 pg1" in first
    assert "● 0/5A001200 s1, s3, s2" in second


def test_three_generations_fit_on_a_narrow_screen_in_ascii() -> None:
    nodes = (node("s1", role=Role.PRIMARY, timeline=4), node("s2", "s1", timeline=4))
    rows = plain(timeline_rows(replace(cluster(), nodes=nodes), 60, ASCII))
    assert [line.split()[1] for line in rows.splitlines()[1:5]] == ["1", "2", "3", "4"]
    assert rows.isascii()


def test_a_node_without_history_is_unknown_not_fine() -> None:
    blind = replace(node("s2"), sample=replace(sample("s2", timeline=2), history=None), timeline=2)
    nodes = (*after_failover(0).nodes[:2], blind)
    text = plain(timeline_rows(replace(cluster(), nodes=nodes), 120, UNICODE))
    assert "lineage unknown" in text
