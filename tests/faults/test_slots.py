"""Slots dropped under their standbys and overrun, from the servers' own words, and ended in front of every step."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgreplterm.lab import server, sql
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import advance, engine, mending, registry, restore
from pgreplterm.lab.faults.fault import Order
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.process import wait_until
from tests.faults.harness import Observer, Site, assert_equal_to_before, heal_all
from tests.faults.steps import assert_survives_every_end


def said(lab: Lab, node: str, words: str) -> bool:
    """Whether its log has these words, or has them soon."""
    log = server.log_file(lab.state.node(node))
    return wait_until(lambda: words in log.read_text(encoding="utf-8"), 10.0, pause=0.02)


@pytest.mark.parametrize(("target", "upstream"), [("pg2", "pg1"), ("pg3", "pg2")])
def test_a_dropped_slot_is_refused_by_name(site: Site, target: str, upstream: str) -> None:
    lab, before = site
    with Observer(lab) as observer:
        injected = engine.inject(lab, "slot-dropped", target, {}, None, print)
        assert f"{upstream} has no slot {target}" in observer.await_sight(injected).evidence
    assert said(lab, target, f'replication slot "{target}" does not exist')
    heal_all(lab)
    assert_equal_to_before(lab, before)


def test_a_standby_whose_wal_went_with_its_slot_is_cloned(site: Site) -> None:
    lab, before = site
    with lab.connection("pg1") as link:
        link.execute("ALTER SYSTEM SET wal_keep_size = 0")
        link.execute("SELECT pg_reload_conf()")
    engine.inject(lab, "slot-dropped", "pg2", {}, None, print)
    advance.segments(lab, "pg1", 3)
    advance.await_others(lab, "pg1", "pg2", advance.flushed(lab, "pg1"))
    lab.checkpoint("pg1")
    (healed,) = engine.heal(lab, None, print).faults
    assert healed.said is not None
    assert "pg2 was cloned anew from pg1" in healed.said
    with lab.connection("pg1") as link:
        link.execute("ALTER SYSTEM RESET wal_keep_size")
        link.execute("SELECT pg_reload_conf()")
    assert_equal_to_before(lab, before)


def test_an_overrun_slot_is_lost_and_no_other(site: Site) -> None:
    lab, before = site
    node = lab.state.node("pg2")
    with Observer(lab) as observer:
        injected = engine.inject(lab, "slot-overflow", "pg3", {"limit": 1}, None, print)
        assert "slot pg3 on pg2 is lost" in observer.await_sight(injected).evidence
    with lab.connection("pg1") as link:
        assert (
            sql.value(link, "SELECT count(*) FROM pg_replication_slots WHERE active AND wal_status = 'reserved'") == 1
        )
    heal_all(lab)
    assert_equal_to_before(lab, before)
    assert lab.state.node("pg2").process == node.process  # never touched


def test_no_overflow_where_another_slot_would_be_lost_or_too_much_written(site: Site) -> None:
    lab, before = site
    fault = registry.find("slot-overflow")
    for limit in (0, 1.5, 17):
        with pytest.raises(LabError, match="limit of slot-overflow is 1 to 16 whole segments: found"):
            fault.prepare(lab, Order("pg2", {"limit": limit}))
    with lab.connection("pg1") as link:
        link.execute("SELECT pg_create_physical_replication_slot('spare', true)")
        assert fault.unavailable(lab, "pg2") == "slot spare there is used by nobody and would be lost as well"
        link.execute("SELECT pg_drop_replication_slot('spare')")
    assert fault.unavailable(lab, "pg1") == "pg1 is no standby: aim it at one"
    lab.stop("pg2")
    assert fault.unavailable(lab, "pg2") == "pg2 is not running: start it first"
    assert fault.unavailable(lab, "pg3") == "pg2, from which its WAL comes, is not running: start it first"
    lab.start("pg2")
    assert_equal_to_before(lab, before)


def test_a_clone_that_was_broken_off_is_made_again(site: Site) -> None:
    lab, before = site
    lab.stop("pg2")
    with pytest.raises(ZeroDivisionError), mending.replacing(lab, "pg2"):
        (Path(lab.state.node("pg2").data_directory) / "global" / "pg_control").unlink()
        raise ZeroDivisionError
    with pytest.raises(LabError, match="pg2 was being copied anew or rewound and has only a part of its data"):
        restore.revive(lab, "pg2")
    assert mending.bring_back(lab, "pg2", ["pg3"]) == "pg2 was cloned anew from pg1"
    assert_equal_to_before(lab, before)


@pytest.mark.parametrize("name", ["slot-dropped", "slot-overflow"])
def test_a_program_that_ends_in_the_midst_leaves_what_heals(site: Site, name: str) -> None:
    lab, before = site
    assert len(assert_survives_every_end(lab, before, name, "pg2")) > 0
