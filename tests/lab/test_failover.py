"""The operations of a failover, on every major and both backends: what a drill relies on."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import psutil
import psycopg
import pytest

from pgreplterm.lab import journal
from pgreplterm.lab.backend import Kind
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.journal import Outcome
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.process import wait_until
from pgreplterm.lab.status import Activity
from tests.conftest import MakeLab
from tests.wal.servers import EDGES, MAJORS, require_bin


@pytest.fixture
def lab(make_lab_on: MakeLab) -> Lab:
    """A fresh lab of pg1 (primary), pg2 and pg3 on each backend."""
    return make_lab_on()


def ask(lab: Lab, node: str, statement: str) -> object:
    with psycopg.connect(lab.dsn(node), autocommit=True) as link:
        cursor = link.execute(statement)  # type: ignore[arg-type]
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def states(lab: Lab) -> dict[str, str]:
    return {node.name: node.state.value for node in lab.status()}


@pytest.mark.parametrize(
    ("backend", "major"),
    [*((Kind.LOCAL, major) for major in MAJORS), (Kind.DOCKER, EDGES[-1])],
    indirect=["backend"],
)
def test_a_diverged_primary_is_rewound_and_keeps_its_own_settings(make_lab_on: MakeLab, major: int) -> None:
    lab = make_lab_on(standbys=2, cascades=1, pg_bin=require_bin(major))
    ports = {node.name: node.port for node in lab.nodes}
    ask(lab, "pg1", "CREATE TABLE t (word text)")
    ask(lab, "pg1", "ALTER SYSTEM SET work_mem = '7MB'")
    lab.freeze("pg2")
    lab.freeze("pg3")
    ask(lab, "pg1", "INSERT INTO t VALUES ('lost')")
    lab.kill("pg1")  # what was sent to the frozen standbys lies in their sockets: it may arrive or not
    lab.thaw("pg2")
    lab.thaw("pg3")
    assert 0 < lab.promote("pg2") < 30
    assert lab.repoint("pg3", "pg2") > 0
    ask(lab, "pg2", "INSERT INTO t VALUES ('kept')")
    lab.start("pg1")  # a split brain, so that the old primary surely diverges
    ask(lab, "pg1", "INSERT INTO t VALUES ('divergent')")
    lab.stop("pg1")
    rewound = lab.rewind("pg1", "pg2")
    assert rewound.diverged
    assert "diverged at WAL location" in rewound.output
    lab.start("pg1")
    lab.wait_streaming("pg1")
    assert {node.name: node.port for node in lab.nodes} == ports
    assert ask(lab, "pg1", "SELECT current_setting('cluster_name')") == "pg1"
    assert ask(lab, "pg1", "SELECT current_setting('work_mem')") == "4MB"
    assert ask(lab, "pg1", "SELECT count(*) FROM t WHERE word = 'divergent'") == 0
    assert states(lab) == {"pg1": "streaming", "pg2": "running", "pg3": "streaming", "pg4": "streaming"}
    assert {edge.name for edge in lab.edges} == {"pg1<-pg2", "pg3<-pg2", "pg4<-pg2"}
    assert ask(lab, "pg1", "SELECT received_tli FROM pg_stat_wal_receiver") == 2


def test_a_planned_switch_leaves_no_slot_that_holds_wal_on_the_old_upstream(make_lab_on: MakeLab) -> None:
    lab = make_lab_on(standbys=2)
    lab.repoint("pg3", "pg2")
    assert ask(lab, "pg1", "SELECT string_agg(slot_name, ',') FROM pg_replication_slots") == "pg2"
    assert ask(lab, "pg2", "SELECT string_agg(slot_name, ',') FROM pg_replication_slots") == "pg3"
    assert [node.role.value for node in lab.status()] == ["primary", "standby", "cascade"]
    with pytest.raises(LabError, match="pg2 cannot follow pg3"):
        lab.repoint("pg2", "pg3")


def test_rebuild_keeps_the_old_directory_and_brings_it_back_on_failure(lab: Lab) -> None:
    data = Path(lab.state.node("pg3").data_directory)
    (data / "witness").touch()
    with pytest.raises(LabError, match="pg3 is running"):
        lab.rebuild("pg3", "pg1")
    lab.kill("pg3")
    rules = lab.directory / "pg1" / "pg_hba.conf"
    rules.write_text(
        "".join(
            line for line in rules.read_text().splitlines(keepends=True) if not line.startswith("host   replication")
        )
    )
    ask(lab, "pg1", "SELECT pg_reload_conf()")
    with pytest.raises(LabError, match=r"pg_basebackup failed while copying pg1 to pg3: .*no pg_hba.conf entry"):
        lab.rebuild("pg3", "pg1")
    assert (data / "witness").exists()
    lab.start("pg3")


def test_a_relay_that_died_comes_back_with_the_next_change(lab: Lab) -> None:
    relay = lab.state.relay
    assert relay is not None
    psutil.Process(relay.pid).kill()
    lab.repoint("pg3", "pg2")
    lab.wait_streaming("pg2")
    assert lab.state.relay != relay


def test_rebuild(lab: Lab) -> None:
    data = Path(lab.state.node("pg3").data_directory)
    (data / "witness").touch()
    lab.kill("pg3")
    assert lab.rebuild("pg3", "pg2") > 0
    assert not (data / "witness").exists()
    assert [entry for entry in data.parent.glob("data.*") if (entry / "witness").exists()]
    lab.start("pg3")
    lab.wait_streaming("pg3")
    assert [node.role.value for node in lab.status()] == ["primary", "standby", "cascade"]


def test_the_prober_journals_a_failover_as_its_client_saw_it(lab: Lab) -> None:
    lab.start_load(100)
    path = lab.start_prober()
    with pytest.raises(LabError, match="already has a prober"):
        lab.start_prober()
    ports = {node.name: node.port for node in lab.nodes}
    lab.kill("pg1")
    lab.promote("pg2")
    lab.repoint("pg3", "pg2")

    def resumed() -> bool:
        return any(each.outcome is Outcome.OK and each.port == ports["pg2"] for each in journal.read_journal(path))

    assert wait_until(resumed, 10)
    assert lab.stop_prober() == path
    attempts = journal.read_journal(path)
    assert [attempt.id for attempt in attempts] == list(range(1, len(attempts) + 1))
    assert all(a.sent_at <= a.ended_at <= b.sent_at for a, b in pairwise(attempts))
    assert {attempt.port for attempt in attempts if attempt.outcome is Outcome.OK} == {ports["pg1"], ports["pg2"]}
    with psycopg.connect(lab.dsn("pg2")) as link:
        rows = link.execute("SELECT id FROM pgreplterm_probe WHERE client = %s", [journal.client_of(path)]).fetchall()
        orders = link.execute("SELECT count(*) FROM orders").fetchone()
    present = {row[0] for row in rows}
    by_outcome = {word: {each.id for each in attempts if each.outcome is word} for word in Outcome}
    on_new = {each.id for each in attempts if each.outcome is Outcome.OK and each.port == ports["pg2"]}
    assert on_new <= present  # what the new primary acknowledged it has
    assert not by_outcome[Outcome.ERROR] & present
    assert present <= by_outcome[Outcome.OK] | by_outcome[Outcome.UNKNOWN]
    assert orders is not None
    assert orders[0] > 0
    lab.stop_load()
    assert lab.stop_prober() is None


def test_a_frozen_primary_leaves_the_prober_with_an_unknown_outcome_and_no_hang(lab: Lab) -> None:
    path = lab.start_prober()
    lab.freeze("pg1")
    assert lab.status()[0].state is Activity.FROZEN
    with pytest.raises(LabError, match="pg1 is frozen"):
        lab.checkpoint("pg1")
    with pytest.raises(LabError, match="pg1 is frozen"):
        lab.stop("pg1")

    def noticed() -> bool:
        return any(attempt.outcome is Outcome.UNKNOWN for attempt in journal.read_journal(path))

    assert wait_until(noticed, 20)
    lab.stop_prober()
    lab.thaw("pg1")
    assert wait_until(lambda: states(lab) == {"pg1": "running", "pg2": "streaming", "pg3": "streaming"}, 20)
