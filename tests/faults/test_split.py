"""Two primaries in one lab: what the rogue one wrote is gone after heal, and what the true one wrote is everywhere."""

from __future__ import annotations

import pytest

from pgreplterm.lab import sql, surgery
from pgreplterm.lab.errors import ToolFailed
from pgreplterm.lab.faults import engine, registry
from pgreplterm.lab.lab import Lab
from tests.conftest import MakeLab
from tests.faults.harness import WITNESS, Observer, Site, assert_equal_to_before, heal_all, prepare, standing
from tests.faults.steps import assert_survives_every_end


def write(lab: Lab, node: str, name: str) -> None:
    """A table of that name, by that node."""
    with lab.connection(node) as link:
        link.execute(f"CREATE TABLE {name} (id int)".encode())


def has(lab: Lab, node: str, name: str) -> bool:
    """Whether the node has that table."""
    with lab.connection(node) as link:
        return bool(sql.value(link, "SELECT to_regclass(%s) IS NOT NULL", name))


def test_a_rogue_primary_is_seen_and_rewound_and_its_writes_are_gone(site: Site) -> None:
    lab, before = site
    with Observer(lab) as observer:
        injected = engine.inject(lab, "split-brain", "pg2", {}, None, print)
        assert "2 primaries accept writes: " in observer.await_sight(injected).evidence
    assert [node.upstream for node in lab.nodes] == [None, "pg1", "pg2"]  # nobody was told
    write(lab, "pg2", "rogue")
    write(lab, "pg1", "rightful")
    (healed,) = engine.heal(lab, None, print).faults
    assert healed.said == "pg2 was rewound; pg2 streams from pg1 again"
    standing(lab)
    for node in lab.nodes:
        assert (has(lab, node.name, "rogue"), has(lab, node.name, "rightful")) == (False, True)
    with lab.connection("pg1") as link:
        link.execute("DROP TABLE rightful")
    assert_equal_to_before(lab, before)


def test_it_is_cloned_where_a_rewind_fails(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    lab, before = site
    engine.inject(lab, "split-brain", "pg2", {}, None, print)

    def fails(*_: object) -> None:
        raise ToolFailed("pg_rewind failed while rewinding pg2 to pg1: for a test")

    with monkeypatch.context() as patch:
        patch.setattr(surgery, "rewind", fails)
        (healed,) = engine.heal(lab, None, print).faults
    assert healed.said == "pg2 was cloned anew from pg1"
    assert_equal_to_before(lab, before)


def test_a_program_that_ends_in_the_midst_leaves_what_heals(site: Site) -> None:
    lab, before = site
    assert "promote" in assert_survives_every_end(lab, before, "split-brain", "pg3", heals=True)


def test_an_old_primary_comes_back_beside_the_new_one_and_is_stopped_again(make_lab: MakeLab) -> None:
    lab = make_lab(standbys=2, segment_size=1)
    prepare(lab)
    fault = registry.find("old-primary-resurrected")
    left_behind = "aim it at an old primary that a failover left behind"
    assert fault.unavailable(lab, "pg1") == f"pg1 runs: {left_behind}"
    lab.stop("pg3")
    assert fault.unavailable(lab, "pg3") == f"pg3 is a standby: {left_behind}"
    lab.start("pg3")
    standing(lab)  # neither standby is ahead of the other
    lab.kill("pg1")
    assert fault.unavailable(lab, "pg1") == "no other node is primary: pg1 would come back as the only one"
    lab.promote("pg2")
    lab.repoint("pg3", "pg2")
    before = standing(lab)
    with Observer(lab) as observer:
        injected = engine.inject(lab, "old-primary-resurrected", "pg1", {}, None, print)
        assert "2 primaries accept writes" in observer.await_sight(injected).evidence
    write(lab, "pg1", "rogue")
    assert has(lab, "pg1", WITNESS)
    heal_all(lab)
    assert not lab.is_running("pg1")
    assert not has(lab, "pg2", "rogue")
    assert_equal_to_before(lab, before)
    assert_survives_every_end(lab, before, "old-primary-resurrected", "pg1")
