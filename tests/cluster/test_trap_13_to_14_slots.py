"""Traps 13 and 14: slots on their way to being lost, slots that were never used, and the words that tell of them."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from pgreplterm.cluster.model import ClusterSnapshot, NodeState, Slot
from pgreplterm.cluster.verdict import Severity, verdict
from pgreplterm.cluster.words import size
from tests.wal.servers import EDGES

from . import naive
from .naive import refutes
from .replicas import Cluster, cluster
from .watching import states, until, watch

SEGMENT = 16 << 20


@pytest.fixture(params=EDGES, ids=lambda major: f"pg{major}")
def capped(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """s1 is gone, and its slot may hold back three segments."""
    with cluster(request.param, {"pg1": None, "s1": "pg1"}) as made:
        pg1 = made["pg1"]
        pg1.configure(wal_keep_size="0", max_slot_wal_keep_size="48MB", max_wal_size="80MB", min_wal_size="32MB")
        pg1.sql("select pg_reload_conf()")
        made.write(rows=10)
        pg1.wait_for("count(*) = 1 from pg_replication_slots where restart_lsn is not null")
        made["s1"].stop()
        yield made


def fill_a_segment(capped: Cluster) -> None:
    capped["pg1"].sql("insert into t values (1)", "select pg_switch_wal()")


def slot(snapshot: ClusterSnapshot, name: str) -> Slot:
    sample = snapshot.nodes[0].sample
    assert sample is not None
    return next(one for one in sample.slots if one.name == name)


def lose_the_slot(capped: Cluster) -> None:
    for _ in range(6):
        fill_a_segment(capped)
    capped["pg1"].sql("checkpoint")
    capped["pg1"].wait_for("wal_status = 'lost' from pg_replication_slots")


def said_of(snapshot: ClusterSnapshot, name: str) -> list[str]:
    """The findings about that slot."""
    return [one.sentence for one in verdict(snapshot).findings if f"slot {name} " in one.sentence]


async def test_trap_13_a_slot_is_fine_until_it_is_lost(capped: Cluster) -> None:
    """wal_status stays reserved down to the last segment; safe_wal_size shrinks from the first."""

    def check(in_danger: bool) -> None:
        assert in_danger

    fill_a_segment(capped)
    fill_a_segment(capped)
    async with watch(capped) as sampler:
        seen = await until(sampler, lambda seen: (slot(seen, "s1").safe_wal_size or SEGMENT * 9) <= 2 * SEGMENT)
    assert slot(seen, "s1").wal_status == "reserved"
    assert (slot(seen, "s1").retained or 0) >= SEGMENT
    refutes(check, ours=bool(said_of(seen, "s1")), naive=naive.slot_in_danger(capped["pg1"], "s1"))


async def test_trap_13_a_slot_that_was_never_used_holds_an_unknown_amount(capped: Cluster) -> None:
    """It has no restart_lsn: that is not 0 bytes, nor a slot about to be lost, whatever its safe_wal_size."""
    capped["pg1"].sql("select pg_create_physical_replication_slot('never')")

    def check(retained: str) -> None:
        assert retained == "?"

    async with watch(capped) as sampler:
        seen = await until(sampler, lambda seen: any(one.name == "never" for one in seen.nodes[0].sample.slots))  # type: ignore[union-attr]
    refutes(check, ours=size(slot(seen, "never").retained), naive=size(naive.retained_bytes(capped["pg1"], "never")))
    assert not [one for one in verdict(seen).findings if "never" in one.sentence and one.severity is Severity.CRITICAL]


async def test_trap_13_a_standbys_slot_counts_from_its_own_position(capped: Cluster) -> None:
    """A cascade's slot lies on a standby, where the usual query fails."""
    capped["s1"].start()
    capped["s1"].sql("select pg_create_physical_replication_slot('leaf', true)")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="recovery is in progress"):
        naive.retained_bytes(capped["s1"], "leaf")
    async with watch(capped) as sampler:
        seen = await until(sampler, lambda seen: seen.node("s1").state is NodeState.STREAMING)  # type: ignore[union-attr]
    node = seen.node("s1")
    assert node is not None
    assert node.sample is not None
    (leaf,) = node.sample.slots
    assert node.sample.position is not None
    assert leaf.restart_lsn is not None
    assert leaf.retained == node.sample.position - leaf.restart_lsn


async def test_trap_14_each_major_words_the_loss_of_a_slot_its_own_way(capped: Cluster) -> None:
    """Both on the primary and on the standby that comes back; the views say it the same way in all."""

    def check(is_lost: bool) -> None:
        assert is_lost

    lose_the_slot(capped)
    capped["s1"].start()
    async with watch(capped) as sampler:
        seen = await until(sampler, lambda seen: states(seen)["s1"] is NodeState.NOT_STREAMING)
    ours = slot(seen, "s1").wal_status == "lost" and bool(said_of(seen, "s1"))
    said = naive.log_says_slot_is_lost((capped["pg1"].folder / "log").read_text())
    if capped["pg1"].sql("show server_version_num") < "160000":
        assert said == ours
    else:
        refutes(check, ours=ours, naive=said)
    assert slot(seen, "s1").retained is None
