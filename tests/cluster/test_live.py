"""What is seen of a healthy cluster, on every major at hand and with every kind of role."""

from __future__ import annotations

import json

from pgreplterm.cluster.connecting.connect import targets
from pgreplterm.cluster.model import NodeState, Role
from pgreplterm.cluster.sampling.sampler import Sampler
from pgreplterm.cluster.serialize import snapshot_document
from pgreplterm.cluster.verdict import Severity, verdict

from .replicas import Cluster
from .watching import gaps, states, until, watch


async def test_the_tree_is_found_through_slots_alone(calm: Cluster) -> None:
    """All four servers listen on port 5432 of their own sockets; their names are their cluster_names."""
    async with Sampler(targets(calm.dsns())) as sampler:
        snapshot = await sampler.sample_once()

    assert [(node.name, node.role, node.upstream) for node in snapshot.nodes] == [
        ("pg1", Role.PRIMARY, None),
        ("s1", Role.STANDBY, "pg1"),
        ("leaf", Role.CASCADE, "s1"),
        ("s2", Role.STANDBY, "pg1"),
    ]
    assert states(snapshot) == {
        "pg1": NodeState.RUNNING,
        "s1": NodeState.STREAMING,
        "s2": NodeState.STREAMING,
        "leaf": NodeState.STREAMING,
    }
    assert {node.timeline for node in snapshot.nodes} == {1}
    assert snapshot.system_identifier is not None
    assert all(link.sender is not None and link.receiver is not None for link in snapshot.links)
    assert all(link.sender.sync_state == "async" for link in snapshot.links if link.sender is not None)


async def test_an_idle_cluster_is_ok_and_a_written_one_catches_up(calm: Cluster) -> None:
    async with watch(calm) as sampler:
        idle = await until(sampler, lambda seen: all(link.gaps.replay == 0 for link in seen.links))
        assert verdict(idle).severity is Severity.OK

        before = idle.nodes[0].sample
        calm.write()
        level = await until(sampler, lambda seen: all(link.gaps.replay == 0 for link in seen.links))
        after = level.nodes[0].sample
        assert before is not None and after is not None
        assert before.write_lsn is not None and after.write_lsn is not None
        assert after.write_lsn - before.write_lsn > 1_000_000
        assert all(node.sample is not None and node.sample.position == after.write_lsn for node in level.nodes)


async def test_pg_monitor_sees_all_there_is_to_judge_by(calm: Cluster) -> None:
    async with watch(calm, "watcher") as sampler:
        snapshot = await until(sampler, lambda seen: all(link.gaps.replay == 0 for link in seen.links))
        assert not sampler.lacks_privilege
    assert verdict(snapshot).severity is Severity.OK
    assert states(snapshot)["leaf"] is NodeState.STREAMING


async def test_a_role_without_privileges_sees_unknowns_and_which_one_it_lacks(calm: Cluster) -> None:
    async with watch(calm, "nobody_special") as sampler:
        snapshot = await sampler.sample_once()
        assert sampler.lacks_privilege

    assert {node.sample.missing_privilege for node in snapshot.nodes if node.sample} == {"pg_monitor"}
    assert {states(snapshot)[name] for name in ("s1", "s2", "leaf")} == {NodeState.UNKNOWN}
    assert snapshot.node("s1").timeline is None  # type: ignore[union-attr]
    assert gaps(snapshot, "s1").unsent is None
    judged = verdict(snapshot)
    assert judged.severity is Severity.UNKNOWN
    assert "pg_monitor" in judged.sentence


async def test_the_password_in_primary_conninfo_goes_nowhere(calm: Cluster) -> None:
    async with watch(calm) as sampler:
        snapshot = await sampler.sample_once()
    assert "hunter2" not in repr(snapshot)
    assert "hunter2" not in json.dumps(snapshot_document(snapshot))


async def test_slots_are_listed_where_they_are(calm: Cluster) -> None:
    async with watch(calm) as sampler:
        document = snapshot_document(await sampler.sample_once())
    assert {(slot["node"], slot["name"], slot["active"]) for slot in document["slots"]} == {
        ("pg1", "s1", True),
        ("pg1", "s2", True),
        ("s1", "leaf", True),
    }


async def test_sampling_leaves_no_trace_but_its_name(calm: Cluster) -> None:
    """Read-only, in autocommit (a snapshot held on a standby would hold back vacuum), and gone at the end."""
    async with watch(calm) as sampler:
        await sampler.sample_once()
        session = "from pg_stat_activity where application_name = 'pgreplterm'"
        assert calm["s1"].sql(f"select state {session}") == "idle"
        assert calm["s1"].sql(f"select backend_xmin {session}") is None
    calm["s1"].wait_for(f"count(*) = 0 {session}")
