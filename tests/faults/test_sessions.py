"""Faults made of sessions and of recovery control: with options, with their holder killed, and half injected."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import psycopg
import pytest

from pgreplterm.errors import PgReplTermError
from pgreplterm.lab import process
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import engine, holding, record, registry, settings
from pgreplterm.lab.faults.fault import Order
from pgreplterm.lab.faults.record import Record, Stage
from pgreplterm.lab.lab import Lab
from tests.conftest import MakeLab
from tests.faults.conftest import Reused
from tests.faults.harness import Observer, assert_equal_to_before, heal_all, primary
from tests.lab.footprint import Footprint

VARIETIES = [
    ("query-conflict", "pg2", {"delay": 0.0}, "has cancelled queries: 1 more"),
    ("lock-conflict", "pg3", {"delay": 0.0}, "has cancelled queries: 1 more"),
    ("long-transaction", "pg1", {}, "has a transaction idle since"),
    ("long-transaction", "pg2", {"feedback": 0.0}, "has a transaction idle since"),
    ("connection-flood", "pg1", {"connections": 5.0}, "client sessions of 100"),
    ("walsenders-exhausted", "pg1", {"standbys": 2.0}, "20 of 20 walsenders of pg1 are taken, none by pg2 and pg3"),
    ("walsenders-exhausted", "pg1", {"standbys": 0.0}, "20 of 20 walsenders of pg1 are taken"),
    ("synchronous-commit-stuck", "pg1", {"commits": 3.0}, "3 commits on pg1 waiting for"),
]
HELD = ["query-conflict", "long-transaction", "connection-flood", "walsenders-exhausted", "synchronous-commit-stuck"]


def inject(lab: Lab, name: str, target: str, **options: float) -> Record:
    return engine.inject(lab, name, target, options, None, lambda _: None)


def holders(lab: Lab) -> list[psutil.Process]:
    """The processes that hold sessions of faults."""
    return [
        each for each in process.working_inside(lab.directory) if f"pgreplterm.lab.{holding.MODULE}" in each.cmdline()
    ]


def kill_holder(lab: Lab) -> None:
    (holder,) = holders(lab)
    os.kill(holder.pid, signal.SIGKILL)
    assert process.await_gone([holder], 10) == []


def place(name: str) -> str:
    return "pg2" if name.endswith("conflict") else "pg1"


@pytest.mark.parametrize(("name", "target", "options", "evidence"), VARIETIES)
def test_seen_and_healed_though_its_holder_was_killed(
    reused: Reused, name: str, target: str, options: dict[str, float], evidence: str
) -> None:
    lab, before = reused.take()
    with Observer(lab) as observer:
        injected = inject(lab, name, target, **options)
        sight = observer.await_sight(injected)
    assert evidence in sight.evidence
    kill_holder(lab)
    heal_all(lab)
    assert registry.find(name).heal(lab, injected.order, injected.undo)
    assert_equal_to_before(lab, before)
    reused.give_back(lab, before)


@pytest.mark.parametrize("name", [*HELD, "replay-paused"])
def test_the_undo_alone_heals_what_was_never_injected(reused: Reused, name: str) -> None:
    """As after a kill between the record and the injection."""
    lab, before = reused.take()
    fault = registry.find(name)
    order = Order(
        "pg2" if name == "replay-paused" else place(name), {key: one.default for key, one in fault.options.items()}
    )
    record.write(lab.directory, Record(1, name, order, fault.prepare(lab, order), Stage.INJECTING, 0.0))
    heal_all(lab)
    assert_equal_to_before(lab, before)
    reused.give_back(lab, before)


def test_ordinary_roles_are_refused_in_a_flood_and_superusers_are_not(reused: Reused) -> None:
    """On a standby, which gets the flood's role from the primary."""
    lab, before = reused.take()
    flooded = "SELECT count(*), count(DISTINCT r.oid), bool_or(r.rolsuper) FROM pg_stat_activity a JOIN pg_roles r"
    with lab.connection("pg1") as link:
        link.execute("CREATE ROLE visitor LOGIN")
    inject(lab, "connection-flood", "pg2")
    with pytest.raises(psycopg.OperationalError, match="connection slots are reserved"):
        psycopg.connect(lab.dsn("pg2"), user="visitor")
    with lab.connection("pg2") as link:
        assert link.execute(f"{flooded} ON r.oid = a.usesysid WHERE a.application_name ~ 'fault'").fetchone() == (
            97,
            1,
            False,
        )
    heal_all(lab)
    psycopg.connect(lab.dsn("pg2"), user="visitor").close()
    with lab.connection("pg1") as link:
        link.execute("DROP ROLE visitor")
        assert link.execute("SELECT FROM pg_roles WHERE rolname ~ 'pgreplterm_fault'").rowcount == 0
    assert_equal_to_before(lab, before)
    reused.give_back(lab, before)


def test_a_pause_survives_neither_a_restart_nor_its_heal(reused: Reused) -> None:
    lab, before = reused.take()
    inject(lab, "replay-paused", "pg2")
    with pytest.raises(LabError, match="pg2 already has the fault replay-paused"):
        inject(lab, "replay-paused", "pg2")
    lab.stop("pg2")
    lab.start("pg2")
    heal_all(lab)
    assert_equal_to_before(lab, before)
    reused.give_back(lab, before)


def test_sessions_are_held_again_after_the_server_was_restarted(reused: Reused) -> None:
    lab, before = reused.take()
    with Observer(lab) as observer:
        injected = inject(lab, "long-transaction", "pg3")
        lab.stop("pg3")
        lab.start("pg3")
        assert "idle" in observer.await_sight(injected).evidence
    heal_all(lab)
    assert_equal_to_before(lab, before)
    reused.give_back(lab, before)


def test_a_setting_from_before_is_given_back_and_one_changed_since_is_left(reused: Reused) -> None:
    lab, before = reused.take()
    names = "max_standby_streaming_delay", "max_standby_archive_delay"
    with lab.connection("pg3") as link:
        link.execute(f"ALTER SYSTEM SET {names[0]} = '7s'")
    inject(lab, "query-conflict", "pg3")
    with pytest.raises(
        LabError, match=r"fault 1 \(query-conflict\) has set max_standby_streaming_delay there: heal it"
    ):
        inject(lab, "lock-conflict", "pg3")
    with lab.connection("pg3") as link:
        link.execute(f"ALTER SYSTEM SET {names[1]} = '9s'")
    heal_all(lab)
    path = Path(lab.state.node("pg3").data_directory) / "postgresql.auto.conf"
    assert [settings._read(path)[name] for name in names] == ["7s", "9s"]
    with lab.connection("pg3") as link:
        for name in names:
            link.execute(f"ALTER SYSTEM RESET {name}".encode())
        link.execute("SELECT pg_reload_conf()")
    assert_equal_to_before(lab, before)
    reused.give_back(lab, before)


def test_a_setting_is_given_back_in_the_file_of_a_server_that_is_down(reused: Reused) -> None:
    """As one of quotes and backslashes shows, which the server reads after."""
    lab, before = reused.take()
    strange = r"it's a \ name"
    with lab.connection("pg1") as link:
        link.execute("ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (pg2, pg3)'")
        link.execute("ALTER SYSTEM SET search_path = 'it''s a \\ name'")
        path = Path(lab.state.node("pg1").data_directory) / "postgresql.auto.conf"
        owner = path.stat()
    inject(lab, "synchronous-commit-stuck", "pg1")
    lab.stop("pg1")
    (number,) = (one.number for one in record.read_all(lab.directory))
    assert engine.heal(lab, [number], lambda _: None).faults[0].error is None
    now = path.stat()
    assert (now.st_uid, now.st_gid, now.st_mode) == (owner.st_uid, owner.st_gid, owner.st_mode)
    lab.start("pg1")
    with lab.connection("pg1") as link:
        shown = [
            link.execute(f"SHOW {name}".encode()).fetchone() for name in ("synchronous_standby_names", "search_path")
        ]
        assert shown == [("FIRST 1 (pg2, pg3)",), (f'"{strange}"',)]
        link.execute("ALTER SYSTEM RESET synchronous_standby_names")
        link.execute("ALTER SYSTEM RESET search_path")
        link.execute("SELECT pg_reload_conf()")
    assert_equal_to_before(lab, before)
    reused.give_back(lab, before)


def test_what_cannot_be_is_said_in_one_sentence(reused: Reused) -> None:
    lab, before = reused.take()
    lab.stop("pg3")
    for name, target, said in [
        ("replay-paused", "pg1", "it is no standby: only those replay"),
        ("query-conflict", "pg1", "it is no standby: only those replay"),
        ("walsenders-exhausted", "pg2", "no node of the lab streams from pg2"),
        ("synchronous-commit-stuck", "pg2", "it is a standby: nobody commits there"),
        ("connection-flood", "pg3", "pg3 is not running: start it first"),
        ("long-transaction", "pg3", "pg3 is not running: start it first"),
    ]:
        assert registry.find(name).unavailable(lab, target) == said
    lab.start("pg3")
    assert_equal_to_before(lab, before)
    reused.give_back(lab, before)


def test_a_drop_waits_for_a_primary_and_the_record_says_so(reused: Reused) -> None:
    lab, before = reused.take()
    injected = inject(lab, "query-conflict", "pg2")
    lab.stop(primary(lab))
    healing = engine.heal(lab, [injected.number], lambda _: None)
    assert "cannot be dropped while no primary runs" in healing.errors[0]
    assert holders(lab) == []
    lab.start("pg1")
    heal_all(lab)
    assert_equal_to_before(lab, before)
    reused.give_back(lab, before)


def test_down_takes_the_holders_with_it(make_lab: MakeLab) -> None:
    before = Footprint()
    lab = make_lab(standbys=1)
    inject(lab, "long-transaction", "pg1")
    inject(lab, "walsenders-exhausted", "pg1")
    assert len(held := holders(lab)) == 2
    lab.down()
    assert process.await_gone(held, 0) == []
    before.assert_nothing_left(lab.directory)
    with pytest.raises(PgReplTermError):
        lab.state  # noqa: B018
