"""Joining samples into a snapshot: who feeds whom, how far behind, and what each node does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgreplterm.cluster.joining.join import join
from pgreplterm.cluster.joining.observe import Observation
from pgreplterm.cluster.joining.topology import depths
from pgreplterm.cluster.joining.trail import Trail
from pgreplterm.cluster.model import ClusterSnapshot, Missing, NodeState, Role
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.timeline import TimelineHistory, TimelineSwitch

from .samples import END, NOW, SYSTEM, failed, primary, receiver, seen, sender, standby


def joined(*observations: Observation, **more: object) -> ClusterSnapshot:
    return join(observations, NOW + 0.1, **more)  # type: ignore[arg-type]


def states(snapshot: ClusterSnapshot) -> dict[str, NodeState]:
    return {node.name: node.state for node in snapshot.nodes}


def test_a_tree_is_found_from_slots_whatever_the_order_of_targets() -> None:
    snapshot = joined(
        seen(standby("leaf")),
        seen(standby("s2")),
        seen(standby("s1", senders=(sender("leaf"),))),
        seen(primary(senders=(sender("s1"), sender("s2")))),
    )

    assert [node.name for node in snapshot.nodes] == ["pg1", "s2", "s1", "leaf"]
    assert depths(snapshot) == {"pg1": 0, "s1": 1, "s2": 1, "leaf": 2}
    assert [node.role for node in snapshot.nodes] == [Role.PRIMARY, Role.STANDBY, Role.STANDBY, Role.CASCADE]
    assert {link.downstream: link.upstream for link in snapshot.links} == {"s1": "pg1", "s2": "pg1", "leaf": "s1"}
    assert snapshot.system_identifier == SYSTEM


def test_application_name_identifies_a_standby_that_uses_no_slot() -> None:
    below = standby("s1", receiver=receiver(None), primary_slot_name=None, primary_conninfo_application_name=None)
    snapshot = joined(seen(primary(senders=(sender("s1", slot_name=None),))), seen(below))
    link = snapshot.link_to("s1")
    assert link is not None
    assert link.sender is not None


def test_standbys_that_look_alike_are_not_guessed_apart() -> None:
    """Debian gives every node the cluster_name 15/main, and so the same application_name."""
    alike = {"primary_slot_name": None, "primary_conninfo_application_name": None, "cluster_name": "15/main"}
    at_upstream = receiver(None, sender_port=5432)
    rows = tuple(sender("15/main", pid=pid, slot_name=None, replay_lsn=LSN(END - pid)) for pid in (1, 2))
    snapshot = joined(
        Observation("127.0.0.1:5432", "127.0.0.1:5432", primary(senders=rows)),
        Observation("127.0.0.1:5433", "127.0.0.1:5433", standby("a", port=5433, receiver=at_upstream, **alike)),
        Observation("127.0.0.1:5434", "127.0.0.1:5434", standby("b", port=5434, receiver=at_upstream, **alike)),
    )

    assert [(link.upstream, link.downstream) for link in snapshot.links] == [
        ("pg1", "127.0.0.1:5433"),
        ("pg1", "127.0.0.1:5434"),
    ]
    assert all(link.sender is None and link.gaps.replay == 0 for link in snapshot.links)
    assert states(snapshot)["127.0.0.1:5433"] is NodeState.STREAMING


def test_a_port_alone_names_no_upstream() -> None:
    """Both nodes listen on 9999 in their own container; the receiver's 9999 is a relay's."""
    lone = standby("s1", receiver=receiver("other"))
    snapshot = joined(seen(primary(port=9999)), seen(lone), seen(standby("s2", port=9999)))
    assert snapshot.link_to("s1") is None


def test_another_cluster_with_the_same_names_is_not_joined() -> None:
    snapshot = joined(seen(primary(senders=(sender("s1"),))), seen(standby("s1", system_identifier=1)))
    assert snapshot.system_identifier is None
    assert snapshot.nodes[1].upstream is None


def test_unwatched_downstreams_are_links_named_by_application_name() -> None:
    snapshot = joined(seen(primary(senders=(sender("pg_receivewal", slot_name=None), sender("s9")))))
    assert {link.downstream for link in snapshot.links} == {"pg_receivewal", "s9"}
    assert [node.name for node in snapshot.nodes] == ["pg1"]


def test_gaps_run_from_the_upstreams_end_to_each_stage() -> None:
    row = sender(
        "s1", sent_lsn=LSN(END - 1), write_lsn=LSN(END - 20), flush_lsn=LSN(END - 300), replay_lsn=LSN(END - 4000)
    )
    link = joined(seen(primary(senders=(row,))), seen(standby("s1"))).link_to("s1")
    assert link is not None
    assert (link.gaps.unsent, link.gaps.write, link.gaps.flush, link.gaps.replay) == (1, 20, 300, 4000)


def test_a_hidden_walsender_leaves_the_standbys_own_words() -> None:
    hidden = sender(
        "s1",
        application_name="",
        state=None,
        sent_lsn=None,
        write_lsn=None,
        flush_lsn=None,
        replay_lsn=None,
        reply_age=None,
    )
    veiled = receiver(None, status=None, sender_host=None, sender_port=None, written_lsn=None)
    snapshot = joined(
        seen(primary(senders=(hidden,), missing_privileges=(Missing("walsenders", "pg_monitor"),))),
        seen(standby("s1", receiver=veiled, flush_lsn=LSN(END - 8), replay_lsn=LSN(END - 8))),
    )
    link = snapshot.link_to("s1")
    assert link is not None
    assert (link.gaps.unsent, link.gaps.flush) == (None, 8)
    assert states(snapshot)["s1"] is NodeState.UNKNOWN


@pytest.mark.parametrize(("sampled_apart", "gap"), [(0.1, 0), (60.0, None)])
def test_a_standby_seen_ahead_is_level_only_if_both_were_just_seen(sampled_apart: float, gap: int | None) -> None:
    hidden = sender("s1", sent_lsn=None, write_lsn=None, flush_lsn=None, replay_lsn=None)
    above = primary(senders=(hidden,), taken_at=NOW - sampled_apart)
    link = joined(seen(above), seen(standby("s1", flush_lsn=LSN(END + 9)))).link_to("s1")
    assert link is not None
    assert link.gaps.flush == gap


def test_reply_age_is_freed_from_the_difference_of_the_clocks() -> None:
    """The standby's clock is 100 s behind, so its reply looks 100.3 s old."""
    above = primary(senders=(sender("s1", reply_age=100.3),), clock_offset=5.0)
    link = joined(seen(above), seen(standby("s1", clock_offset=-95.0))).link_to("s1")
    assert link is not None
    assert link.evidence_age == pytest.approx(0.4)


def test_a_stalled_link_is_stale_though_every_lag_interval_is_null() -> None:
    unread = sender("s1", sent_lsn=END, write_lsn=LSN(END - 99), flush_lsn=LSN(END - 99), reply_age=4.0)
    deaf = standby("s1", receiver=receiver("s1", last_message_age=4.0))
    assert states(joined(seen(primary(senders=(unread,))), seen(deaf)))["s1"] is NodeState.STALE

    idle_too_long = sender("s1", reply_age=24.0)
    assert states(joined(seen(primary(senders=(idle_too_long,))), seen(standby("s1"))))["s1"] is NodeState.STALE

    idle = sender("s1", reply_age=9.9)
    assert states(joined(seen(primary(senders=(idle,))), seen(standby("s1"))))["s1"] is NodeState.STREAMING


@pytest.mark.parametrize(
    ("first_seen", "heard", "state"),
    [
        (0.0, 0.1, NodeState.STREAMING),
        (0.1, 9.0, NodeState.STREAMING),
        (0.4, 9.0, NodeState.STALE),
        (2.0, 0.1, NodeState.STREAMING),
        (3.5, 0.1, NodeState.STALE),
    ],
    ids=["just sent", "in flight", "not heard", "on its way", "not read"],
)
def test_wal_sent_a_moment_ago_is_not_late_because_the_last_reply_is_old(
    first_seen: float, heard: float, state: NodeState
) -> None:
    """An idle link's reply is up to 10 s old when the next WAL goes out."""
    trail = Trail().extended({"host:pg1": primary(taken_at=NOW - 20, write_lsn=LSN(END - 99))})
    trail = trail.extended({"host:pg1": primary(taken_at=NOW - first_seen)})
    unread = sender("s1", sent_lsn=END, write_lsn=LSN(END - 99), flush_lsn=LSN(END - 99), reply_age=9.0)
    below = standby("s1", receiver=receiver("s1", last_message_age=heard))
    assert states(joined(seen(primary(senders=(unread,))), seen(below), trail=trail))["s1"] is state


def test_an_idle_walreceiver_may_be_silent_for_half_its_timeout() -> None:
    for silence, state in ((31.0, NodeState.STREAMING), (40.0, NodeState.STALE)):
        snapshot = joined(seen(standby("s1", receiver=receiver("s1", last_message_age=silence))))
        assert states(snapshot)["s1"] is state


def test_an_upstream_that_lists_no_walsender_is_believed_over_the_walreceiver() -> None:
    before = joined(seen(primary(senders=(sender("s1"),))), seen(standby("s1")))
    after = joined(seen(primary()), seen(standby("s1")), previous=before)
    assert after.nodes[1].upstream == "pg1"
    assert states(after)["s1"] is NodeState.STALE


def test_a_node_that_fails_has_no_role_no_link_figures_and_keeps_its_place() -> None:
    before = joined(seen(primary(senders=(sender("s1"),))), seen(standby("s1")))
    after = joined(failed(primary(senders=(sender("s1"),))), seen(standby("s1", receiver=None)), previous=before)
    assert [(node.name, node.role, node.state) for node in after.nodes] == [
        ("pg1", Role.UNKNOWN, NodeState.DOWN),
        ("s1", Role.STANDBY, NodeState.NOT_STREAMING),
    ]
    assert after.nodes[1].upstream == "pg1"
    assert after.links == ()
    assert after.primaries == ()


def test_gaps_to_an_upstream_that_does_not_answer_are_unknown() -> None:
    snapshot = joined(failed(primary(senders=(sender("s1"),)), NodeState.SILENT), seen(standby("s1")))
    link = snapshot.link_to("s1")
    assert link is not None
    assert link.upstream == "pg1"
    assert (link.gaps.replay, link.time_lag) == (None, None)


def test_after_a_failover_the_living_upstream_wins_over_the_dead_ones_last_words() -> None:
    snapshot = joined(
        failed(primary(senders=(sender("s1"), sender("s2")))),
        seen(primary("s1", senders=(sender("s2"),), timeline=2)),
        seen(standby("s2")),
    )
    assert [(node.name, node.upstream) for node in snapshot.nodes] == [("s1", None), ("s2", "s1"), ("pg1", None)]


def test_a_sample_too_old_makes_its_node_stale() -> None:
    assert states(joined(seen(primary(taken_at=NOW - 5)), stale_after=2.0))["pg1"] is NodeState.STALE


def test_two_primaries_of_one_system_are_both_visible() -> None:
    snapshot = joined(seen(primary("a")), seen(primary("b", timeline=2)))
    assert [node.name for node in snapshot.primaries] == ["a", "b"]


def test_a_dying_primarys_last_word_beside_its_successors_first_is_no_split_brain() -> None:
    snapshot = joined(seen(primary("a"), overdue=True), seen(primary("b", timeline=2)))
    assert [node.name for node in snapshot.primaries] == ["b"]
    assert states(snapshot)["a"] is NodeState.STALE
    assert [node.name for node in joined(seen(primary("a"), overdue=True)).primaries] == ["a"]


class TestDivergence:
    """An old primary that comes back as a standby flickers between attached and not, and is neither."""

    fork = LSN(END - 1000)
    history = TimelineHistory(2, (TimelineSwitch(1, fork, "no recovery target specified"),))
    promoted = primary(
        "s1", timeline=2, history=history, write_lsn=LSN(END + 10), senders=(sender("pg1", state="startup"),)
    )

    @pytest.mark.parametrize("attached", [True, False])
    def test_is_never_shown_as_streaming(self, attached: bool) -> None:
        old = standby("pg1", receiver=receiver("pg1") if attached else None)
        snapshot = joined(seen(self.promoted), seen(old))
        assert states(snapshot)["pg1"] is NodeState.DIVERGED
        if link := snapshot.link_to("pg1"):
            assert link.gaps.replay is None

    def test_is_seen_while_the_walsender_has_not_taken_the_slot(self) -> None:
        """Between two attempts the dead primary's last row must not win over the living upstream's new one."""
        waiting = standby("s2", receiver=receiver("s2", status="waiting"))
        attempt = replace(self.promoted, senders=(sender("s2", state="startup", slot_name=None),))
        snapshot = joined(failed(primary(senders=(sender("s2"),))), seen(attempt), seen(waiting))
        link = snapshot.link_to("s2")
        assert link is not None
        assert (link.upstream, link.gaps.replay) == ("s1", None)
        assert states(snapshot)["s2"] is NodeState.DIVERGED

    def test_spreads_to_whoever_streams_from_it(self) -> None:
        old = standby("pg1", receiver=None, senders=(sender("s2"),))
        assert states(joined(seen(self.promoted), seen(old), seen(standby("s2"))))["s2"] is NodeState.DIVERGED

    def test_is_not_claimed_of_one_that_is_merely_behind(self) -> None:
        old = standby("pg1", flush_lsn=self.fork, replay_lsn=self.fork)
        assert states(joined(seen(self.promoted), seen(old)))["pg1"] is NodeState.STARTUP

    def test_is_not_claimed_without_the_history(self) -> None:
        unread = replace(self.promoted, history=None)
        assert states(joined(seen(unread), seen(standby("pg1", receiver=None))))["pg1"] is NodeState.NOT_STREAMING


def test_a_loop_of_upstreams_still_shows_every_node_once() -> None:
    snapshot = joined(seen(standby("a", senders=(sender("b"),))), seen(standby("b", senders=(sender("a"),))))
    assert sorted(node.name for node in snapshot.nodes) == ["a", "b"]


def test_names_come_from_cluster_name_only_while_it_is_unique() -> None:
    alone = joined(seen(primary("main"), name="h:1"))
    assert alone.nodes[0].name == "main"

    shared = joined(seen(primary("main"), name="h:1"), seen(primary("main", port=5433), name="h:2"))
    assert [node.name for node in shared.nodes] == ["h:1", "h:2"]

    alias = joined(seen(primary("main"), name="mine", has_alias=True))
    assert alias.nodes[0].name == "mine"


class TestTimeBehind:
    """replay_lag is NULL on a stalled link and lingers on a caught-up one; the positions seen tell better."""

    @staticmethod
    def trail(*marks: tuple[float, int]) -> Trail:
        trail = Trail()
        for at, offset in marks:
            trail = trail.extended({"host:pg1": primary(taken_at=NOW + at, write_lsn=LSN(END + offset))})
        return trail

    def lag(self, row_lag: float | None, trail: Trail, behind: int = 100) -> float | None:
        row = sender("s1", replay_lsn=LSN(END - behind), replay_lag=row_lag)
        link = joined(seen(primary(senders=(row,))), seen(standby("s1")), trail=trail).link_to("s1")
        assert link is not None
        return link.time_lag

    def test_grows_while_nothing_is_measured(self) -> None:
        assert self.lag(None, self.trail((-9, -100), (-8, 0), (0, 0))) == pytest.approx(8.0)

    def test_is_unknown_without_measure_or_memory(self) -> None:
        assert self.lag(None, Trail()) is None

    def test_is_the_servers_measure_between_the_bounds(self) -> None:
        assert self.lag(8.5, self.trail((-9, -100), (-8, 0), (0, 0))) == 8.5

    def test_is_not_a_lingering_measure_of_an_older_lag(self) -> None:
        assert self.lag(30.0, self.trail((-2, -100), (-1, -100), (0, 0))) == pytest.approx(1.0)

    def test_is_idle_or_nothing_when_level(self) -> None:
        assert self.lag(None, Trail(), behind=0) is None
        assert self.lag(3.0, Trail(), behind=0) == 0.0
