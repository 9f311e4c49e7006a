"""Decisions of a failover, on samples: who is lost, who may take over, when not to start."""

from __future__ import annotations

from typing import Any

from pgreplterm.cluster.joining.join import join
from pgreplterm.cluster.joining.observe import Observation
from pgreplterm.cluster.model import ClusterSnapshot, NodeFailure, NodeSample, NodeState
from pgreplterm.drill.choose import bytes_at_risk, candidates, preflight, primary_is_lost
from pgreplterm.wal.lsn import LSN
from tests.cluster.samples import END, NOW, primary, sender, standby

LATER = NOW + 1


def seen(name: str, sample: NodeSample | None, failure: NodeFailure | None = None) -> Observation:
    return Observation(name, f"127.0.0.1:{sum(name.encode())}", sample, failure, has_alias=True)


def snapshot(*observations: Observation, at: float = NOW) -> ClusterSnapshot:
    return join(observations, at, stale_after=2.0)


def healthy() -> ClusterSnapshot:
    return snapshot(
        seen("pg1", primary("pg1", senders=(sender("pg2"), sender("pg3")))),
        seen("pg2", standby("pg2")),
        seen("pg3", standby("pg3")),
    )


def down(name: str) -> Observation:
    return seen(name, primary(name), NodeFailure(NodeState.DOWN, "connection refused", NOW + 0.5, NOW + 0.6))


def orphan(name: str, **changes: Any) -> NodeSample:
    return standby(name, receiver=None, taken_at=LATER, **changes)


def test_preflight_allows_a_healthy_cluster() -> None:
    assert all(check.allows for check in preflight(healthy()))


def test_preflight_refuses_without_a_streaming_standby() -> None:
    refused = [
        check.name
        for check in preflight(snapshot(seen("pg1", primary("pg1")), seen("pg2", standby("pg2", receiver=None))))
        if not check.allows
    ]
    assert refused == ["a standby streams from it"]


def test_preflight_refuses_two_primaries_and_silence() -> None:
    both = snapshot(seen("pg1", primary("pg1")), seen("pg2", primary("pg2")))
    assert "one primary" in [check.name for check in preflight(both) if not check.allows]
    quiet = snapshot(down("pg1"), seen("pg2", standby("pg2")))
    assert "every node answers" in [check.name for check in preflight(quiet) if not check.allows]


def test_a_refusing_primary_is_not_lost_while_its_standbys_still_receive() -> None:
    streaming = standby("pg2", taken_at=LATER)
    assert not primary_is_lost(snapshot(down("pg1"), seen("pg2", streaming), at=LATER), "pg1")
    assert primary_is_lost(snapshot(down("pg1"), seen("pg2", orphan("pg2")), at=LATER), "pg1")


def test_what_a_standby_said_before_the_failure_is_no_witness() -> None:
    before = standby("pg2", receiver=None, taken_at=NOW)
    assert not primary_is_lost(snapshot(down("pg1"), seen("pg2", before), at=LATER), "pg1")


def test_the_standby_with_most_received_wal_comes_first_replayed_or_not() -> None:
    behind_in_replay = orphan("pg3", flush_lsn=END + 900, replay_lsn=END)
    cluster = snapshot(
        down("pg1"), seen("pg2", orphan("pg2", flush_lsn=END + 100)), seen("pg3", behind_in_replay), at=LATER
    )
    assert [node.name for node in candidates(cluster, 1, LATER)] == ["pg3", "pg2"]


def test_another_timeline_or_old_evidence_is_no_candidate() -> None:
    cluster = snapshot(
        down("pg1"),
        seen("pg2", orphan("pg2", timeline=2, flush_lsn=END + 5000)),
        seen("pg3", standby("pg3", receiver=None, taken_at=NOW, flush_lsn=END + 5000)),
        seen("pg4", orphan("pg4")),
        at=LATER,
    )
    assert [node.name for node in candidates(cluster, 1, LATER)] == ["pg4"]


def test_bytes_at_risk_are_the_best_standbys_or_unknown() -> None:
    behind = sender("pg2", flush_lsn=LSN(END - 4096), replay_lsn=LSN(END - 4096))
    cluster = snapshot(
        seen("pg1", primary("pg1", senders=(behind, sender("pg3", flush_lsn=LSN(END - 100))))),
        seen("pg2", standby("pg2")),
        seen("pg3", standby("pg3")),
    )
    assert bytes_at_risk(cluster, "pg1") == 100
    assert bytes_at_risk(snapshot(seen("pg1", primary("pg1"))), "pg1") is None
