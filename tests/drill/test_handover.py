"""Who may take over in a planned switchover, and what the end of a primary is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pgreplterm.cluster.joining.join import join
from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.drill.handover import Position, await_all, shutdown_of, successors
from pgreplterm.errors import DrillFailed
from pgreplterm.lab.lab import Lab
from pgreplterm.wal.lsn import LSN
from tests.cluster.samples import END, NOW, primary, seen, sender, standby
from tests.drill.running import ask


def cluster(pg2: dict[str, Any] | None = None, pg3: dict[str, Any] | None = None, paused: str = "") -> ClusterSnapshot:
    """pg1 with pg2 and pg3, whose walsenders are like that; the replay of one may be paused."""
    names = ("pg2", "pg3")
    senders = tuple(sender(name, **(changes or {})) for name, changes in zip(names, (pg2, pg3), strict=True))
    nodes = [primary("pg1", senders=senders)]
    nodes += [standby(name, replay_paused=name == paused) for name in names]
    named = [replace(seen(node), name=node.cluster_name, has_alias=True) for node in nodes]
    return join(named, NOW, stale_after=2.0)


def test_a_synchronous_standby_comes_before_all_others() -> None:
    assert successors(cluster(), "pg1") == ("pg2", "pg3")
    for state in ("sync", "quorum"):
        assert successors(cluster(pg3={"sync_state": state}), "pg1") == ("pg3", "pg2")
    assert successors(cluster(pg3={"sync_state": "potential"}), "pg1") == ("pg2", "pg3"), "nobody waits for it yet"


def test_among_equals_who_has_least_to_replay_but_not_by_what_comes_and_goes() -> None:
    def behind(size: int) -> dict[str, Any]:
        return {"replay_lsn": LSN(END - size)}

    assert successors(cluster(pg2=behind(3 << 20)), "pg1") == ("pg3", "pg2")
    assert successors(cluster(pg2=behind(5000)), "pg1") == ("pg2", "pg3")


def test_a_paused_or_delayed_one_comes_last_and_one_that_does_not_stream_not_at_all() -> None:
    synchronous = {"sync_state": "sync"}
    assert successors(cluster(pg2=synchronous), "pg1", frozenset({"pg2"})) == ("pg3", "pg2")
    assert successors(cluster(pg2=synchronous, paused="pg2"), "pg1") == ("pg3", "pg2")
    assert successors(cluster(pg2={"state": "catchup"}), "pg1") == ("pg3",)
    assert successors(cluster(), "pg2") == ()


def test_it_has_everything_only_when_the_last_record_is_flushed_and_replayed() -> None:
    assert Position(END, END, False).has(END)
    assert not Position(END, LSN(END - 1), False).has(END)
    assert not Position(LSN(END - 1), END, False).has(END)
    assert not Position(None, END, False).has(END)


def test_the_end_of_a_primary_that_was_stopped_and_of_one_that_was_not(lab: Lab) -> None:
    with pytest.raises(DrillFailed, match="expected pg_control of pg1 to say 'shut down', found 'in production'"):
        shutdown_of(lab, "pg1")
    lab.stop("pg1")
    found = shutdown_of(lab, "pg1")
    assert found.checkpoint < found.end
    await_all(lab, "pg2", found.end, 10)
    assert LSN.parse(str(ask(lab, "pg2", "SELECT pg_last_wal_replay_lsn()"))) == found.end
    lab.promote("pg2")
    history = str(ask(lab, "pg2", "SELECT pg_read_file('pg_wal/00000002.history')"))
    assert LSN.parse(history.split("\t")[1]) == found.end, "where the new timeline begins"
    lab.start("pg1")
    lab.kill("pg1")
    with pytest.raises(DrillFailed, match="expected pg_control of pg1 to say 'shut down', found 'in production'"):
        shutdown_of(lab, "pg1")
