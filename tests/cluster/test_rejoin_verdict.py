"""What it takes to follow, from what is known of two nodes alone: each action with the fact that decides it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pgreplterm.cluster.forks.grounds import LineageEvidence, RewindGrounds
from pgreplterm.cluster.forks.lineage import Lineage
from pgreplterm.cluster.forks.member import Member
from pgreplterm.cluster.forks.rejoin import judge, reference_of
from pgreplterm.cluster.joining.join import join
from pgreplterm.cluster.model import NodeState, RejoinAction
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.timeline import TimelineHistory, TimelineSwitch

from .samples import END, NOW, SYSTEM, failed, primary, receiver, seen, sender, standby
from .test_lineage import line

FORK = LSN(80)
ALL_MET = RewindGrounds(FORK, False, True, True, LSN(60), True)


def member(name: str, lineage: Lineage | None, **changes: Any) -> Member:
    timeline = None if lineage is None else lineage.history.timeline
    return replace(Member(name, SYSTEM, 18, lineage, timeline=timeline), **changes)


NEW = member("new", line(300, (1, 80), t2=7), writes=True)


def tail(grounds: RewindGrounds | None, **changes: Any) -> Member:
    """An old primary with 20 bytes past the fork."""
    return member("old", line(100), evidence=LineageEvidence(rewind=grounds), **changes)


def decided(node: Member, reference: Member = NEW) -> tuple[RejoinAction, str]:
    found = judge(node, reference)
    return found.action, found.reason


def test_an_old_primary_that_ended_at_the_fork_follows() -> None:
    action, reason = decided(member("old", line(80)))
    assert (action, reason) == (RejoinAction.FOLLOW, "its WAL ends exactly at the fork of timeline 1 at 0/00000050")


def test_one_that_still_writes_would_pass_the_fork_as_it_stops() -> None:
    action, reason = decided(member("old", line(80), writes=True))
    assert action is RejoinAction.FOLLOW
    assert "stop it in immediate mode" in reason


def test_one_that_ended_before_the_fork_follows() -> None:
    found = judge(member("old", line(70)), NEW)
    assert (found.action, found.beyond, found.theirs) == (RejoinAction.FOLLOW, 0, 230)
    assert found.reason == "its WAL ends at 0/00000046, not past the fork of timeline 1 at 0/00000050"


def test_past_the_fork_it_is_rewound_if_all_that_takes_is_there() -> None:
    found = judge(tail(ALL_MET), NEW)
    assert (found.action, found.fork_lsn, found.fork_timeline) == (RejoinAction.REWIND, FORK, 1)
    assert (found.beyond, found.theirs) == (20, 220)
    assert found.reason.endswith(
        "data checksums are on and its WAL reaches back to the checkpoint at 0/0000003C before it"
    )


@pytest.mark.parametrize(
    ("changes", "action", "fact"),
    [
        ({"wal_log_hints": False, "has_checksums": False}, RejoinAction.REBUILD, "data checksums or wal_log_hints"),
        ({"wal_log_hints": True, "has_checksums": False}, RejoinAction.REWIND, "wal_log_hints is on"),
        ({"wal_log_hints": None, "has_checksums": None}, RejoinAction.UNKNOWN, "is not known"),
        ({"full_page_writes": False}, RejoinAction.REBUILD, "full_page_writes"),
        ({"full_page_writes": None}, RejoinAction.UNKNOWN, "is not known"),
        ({"reaches_back": False}, RejoinAction.REBUILD, "no longer reaches back"),
        ({"reaches_back": False, "restores": True}, RejoinAction.REBUILD, "pg_rewind -c"),
        ({"reaches_back": None, "privilege": "EXECUTE on x"}, RejoinAction.UNKNOWN, "(EXECUTE on x)"),
        ({"fork_lsn": LSN(81)}, RejoinAction.UNKNOWN, "not been read yet"),
    ],
)
def test_the_first_need_of_pg_rewind_that_is_not_met_decides(
    changes: dict[str, Any], action: RejoinAction, fact: str
) -> None:
    found, reason = decided(tail(replace(ALL_MET, **changes)))
    assert found is action
    assert fact in reason


def test_grounds_that_were_not_read_are_no_grounds() -> None:
    assert decided(tail(None))[0] is RejoinAction.UNKNOWN


@pytest.mark.parametrize(("major", "warns"), [(15, True), (16, True), (17, False), (18, False)])
def test_an_older_pg_rewind_needs_a_checkpoint_on_the_new_primary_first(major: int, warns: bool) -> None:
    new = replace(NEW, major=major, control_timeline=1)
    action, reason = decided(tail(ALL_MET, major=major), new)
    assert action is RejoinAction.REWIND
    assert ("run CHECKPOINT on new first" in reason) is warns
    assert "CHECKPOINT" not in decided(tail(ALL_MET, major=major), replace(new, control_timeline=2))[1]


def test_one_that_may_follow_and_finds_its_wal_gone_is_rebuilt() -> None:
    short = replace(NEW, evidence=LineageEvidence(oldest_wal=LSN(75)))
    assert decided(member("old", line(80)), short)[0] is RejoinAction.FOLLOW
    action, reason = decided(member("old", line(70)), short)
    assert action is RejoinAction.REBUILD
    assert "new has none before 0/0000004B" in reason


def test_ahead_on_the_same_timeline_is_rebuilt_or_made_the_primary() -> None:
    action, reason = decided(member("s1", line(90)), member("pg1", line(50), writes=True))
    assert action is RejoinAction.REBUILD
    assert reason.endswith("or make it the primary")


def test_ahead_of_what_was_heard_a_while_ago_says_nothing() -> None:
    old = member("pg1", line(50), writes=True, taken_at=100.0)
    assert decided(member("s1", line(90), taken_at=102.0), old)[0] is RejoinAction.UNKNOWN
    assert decided(member("s1", line(90), taken_at=100.1), old)[0] is RejoinAction.REBUILD


def test_a_link_whose_upstream_has_less_is_no_streaming() -> None:
    """Seen on real servers of every major: the walsender says streaming, and each gap is clamped to 0."""
    ahead = standby("s1", receiver=receiver("s1", latest_end_lsn=LSN(END - 9)))
    snapshot = join((seen(primary(write_lsn=LSN(END - 9), senders=(sender("s1"),))), seen(ahead)), NOW)
    node = snapshot.node("s1")
    assert node is not None
    assert node.rejoin is not None
    assert (node.state, node.rejoin.action) == (NodeState.DIVERGED, RejoinAction.REBUILD)


def test_a_standby_that_streams_is_not_ahead_for_having_been_asked_later() -> None:
    streaming = member("s1", line(90), streams=True)
    assert decided(streaming, member("pg1", line(50), writes=True))[0] is RejoinAction.FOLLOW


def test_one_number_for_two_lines_is_what_pg_rewind_does_nothing_for() -> None:
    action, reason = decided(member("s2", line(400, (1, 90))), member("s1", line(300, (1, 80)), writes=True))
    assert action is RejoinAction.REBUILD
    assert "both 2 by number" in reason


def test_two_promotions_at_one_lsn_are_rebuilt() -> None:
    found = judge(member("s2", line(400, (1, 80), t2=8)), NEW)
    assert (found.action, found.fork_lsn, found.beyond, found.theirs) == (RejoinAction.REBUILD, FORK, 320, 220)
    assert "two promotions at one LSN" in found.reason


def test_what_cannot_be_told_apart_is_unknown_unless_it_streams() -> None:
    hidden = member("s2", line(250, (1, 80)), evidence=LineageEvidence(hidden="the role lacks EXECUTE"))
    action, reason = decided(hidden)
    assert action is RejoinAction.UNKNOWN
    assert reason == "its timeline 2 and new's cannot be told apart: the role lacks EXECUTE on s2"
    action, reason = decided(replace(hidden, streams=True))
    assert action is RejoinAction.FOLLOW
    assert "cannot be told apart" in reason


def test_two_primaries_on_one_timeline_are_two_lines() -> None:
    """Their histories and positions say that one merely follows the other."""
    one, other = member("a", line(90), writes=True), member("b", line(100), writes=True)
    assert judge(one, other).action is RejoinAction.REBUILD


def test_the_later_branch_is_for_a_person_to_judge_and_rewound_once_that_is_done() -> None:
    later = member("s1", line(300, (1, 80)), evidence=LineageEvidence(rewind=ALL_MET))
    old = member("pg1", line(100), writes=True)
    assert judge(later, old).action is RejoinAction.UNKNOWN
    assert "say which line is the truth" in judge(later, old).reason
    assert judge(later, old, decided=True).action is RejoinAction.REWIND


def test_another_system_and_another_major_never_follow() -> None:
    assert decided(member("x", line(80), system_identifier=1))[0] is RejoinAction.FOREIGN
    assert decided(member("x", line(80), major=17))[0] is RejoinAction.REBUILD


def test_a_line_that_is_not_known_says_why() -> None:
    assert decided(member("s2", None, unknown="it is hidden")) == (RejoinAction.UNKNOWN, "it is hidden")
    hidden = member("pg1", None, unknown="it is hidden", writes=True)
    assert decided(member("s2", line(80)), hidden) == (RejoinAction.UNKNOWN, "of pg1, it is hidden")


def test_the_newest_of_several_primaries_is_the_one_to_follow() -> None:
    old, new, standby_ = member("pg1", line(100), writes=True), NEW, member("s2", line(80))
    assert reference_of([old, new, standby_]) is new
    assert reference_of([old, standby_]) is old
    assert reference_of([standby_]) is None
    twin = member("twin", line(300, (1, 80), t2=8), writes=True)
    assert reference_of([old, new, twin]) is None


def test_a_foreign_primary_does_not_take_the_reference_away() -> None:
    foreign = member("x", line(10), system_identifier=1, writes=True)
    assert reference_of([NEW, member("s2", line(80)), foreign]) is NEW
    assert reference_of([NEW, foreign]) is None


def test_a_snapshot_has_a_verdict_on_every_node_but_the_primary() -> None:
    rows = (sender("s1"),)
    snapshot = join((seen(primary(senders=rows)), seen(standby("s1")), failed(standby("s2"))), NOW)
    actions = {node.name: node.rejoin and node.rejoin.action for node in snapshot.nodes}
    assert actions == {"pg1": None, "s1": RejoinAction.FOLLOW, "s2": RejoinAction.UNKNOWN}


def test_without_a_primary_nothing_is_judged() -> None:
    snapshot = join((seen(standby("s1")), seen(standby("s2"))), NOW)
    assert [node.rejoin for node in snapshot.nodes] == [None, None]


def test_a_standby_on_a_timeline_nobody_can_relate_is_never_healthy() -> None:
    """A diverged standby's walreceiver, and its upstream's walsender, say streaming now and then."""
    rows = (sender("pg1"),)
    new = primary("s1", timeline=2, senders=rows)
    below = standby("pg1")
    snapshot = join((seen(new), seen(below)), new.taken_at)
    assert snapshot.node("pg1").state is NodeState.UNKNOWN  # type: ignore[union-attr]
    history = TimelineHistory(2, (TimelineSwitch(1, END, ""),))
    told = join((seen(replace(new, history=history)), seen(below)), new.taken_at)
    assert told.node("pg1").state is NodeState.STREAMING  # type: ignore[union-attr]
