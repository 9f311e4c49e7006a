"""Conditions of links as PostgreSQL feels them: both ends' views, and what arrived."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from pgreplterm.lab import helpers, linkage, process, state
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.link_condition import CLEAR, PARTITION, Flow, LinkCondition
from pgreplterm.lab.linkage import EdgeMeasured
from pgreplterm.lab.process import wait_until
from pgreplterm.lab.site import Site
from tests.conftest import MakeLab, _maker

EDGE = "pg2<-pg1"
TIMEOUT = 1.5
PATIENCE = 20.0
CUT = Flow(cut=True)

SENT = "select count(*) from pg_stat_replication where application_name = 'pg2'"
RECEIVED = "select count(*) from pg_stat_wal_receiver where status = 'streaming'"
CURRENT = "select pg_current_wal_lsn() - '0/0'"
ARRIVED = "select pg_last_wal_receive_lsn() - '0/0'"


class Linked:
    """A lab whose link pg2<-pg1 the test changes."""

    def __init__(self, lab: Lab) -> None:
        """Have both ends notice silence soon, and a table to write to."""
        self.lab = lab
        self.site = Site.of(lab.directory)
        self._sessions = {name: psycopg.connect(lab.dsn(name), autocommit=True) for name in ("pg1", "pg2")}
        for name in self._sessions:
            for setting in ("wal_sender_timeout", "wal_receiver_timeout"):
                self.ask(name, f"alter system set {setting} = '{TIMEOUT}s'")
            self.ask(name, "alter system set wal_receiver_status_interval = '200ms'")
            self.ask(name, "select pg_reload_conf()")
        self.ask("pg1", "create table t (i int)")
        assert wait_until(lambda: self.ask("pg2", "select to_regclass('t')") is not None, PATIENCE)

    def ask(self, node: str, statement: str) -> Any:
        """The first column of the first row."""
        cursor = self._sessions[node].execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    def write(self, rows: int = 100) -> None:
        """One transaction on the primary."""
        self.ask("pg1", f"insert into t select generate_series(1, {rows})")

    def set(self, condition: LinkCondition) -> None:
        """Change the link."""
        with state.transaction(self.lab.directory):
            linkage.set_condition(self.site, EDGE, condition)

    def measure(self) -> EdgeMeasured:
        """The link's figures of this moment."""
        with state.transaction(self.lab.directory):
            return linkage.measure(self.site).edges[EDGE]

    def heal(self) -> None:
        """Nothing wrong, and the standby has all rows again."""
        with state.transaction(self.lab.directory):
            linkage.clear(self.site, EDGE)
        assert wait_until(lambda: self.ask("pg1", SENT) == 1 and self.ask("pg2", RECEIVED) == 1, PATIENCE)
        rows = self.ask("pg1", "select count(*) from t")
        assert wait_until(lambda: bool(self.ask("pg2", "select count(*) from t") == rows), PATIENCE)

    def settled(self) -> int:
        """Where the standby has received to, once it has written down what had arrived."""
        before = -1

        def same() -> bool:
            nonlocal before
            last, before = before, int(self.ask("pg2", ARRIVED))
            return last == before

        assert wait_until(same, PATIENCE, pause=0.1)
        return before

    def close(self) -> None:
        """The sessions."""
        for session in self._sessions.values():
            session.close()


@pytest.fixture(scope="module")
def module_linked(lab_root: Path) -> Iterator[Linked]:
    """One lab for all tests of this module."""
    for make in _maker():
        found = Linked(make(standbys=1))
        yield found
        found.close()


@pytest.fixture
def linked(module_linked: Linked) -> Iterator[Linked]:
    """It as it was, after each test."""
    yield module_linked
    module_linked.heal()


def seconds(linked: Linked, statement: str) -> float:
    begun = time.monotonic()
    linked.ask("pg1", statement)
    return time.monotonic() - begun


def test_a_partition_under_load_is_seen_by_both_ends_and_nothing_arrives(make_lab_on: MakeLab) -> None:
    linked = Linked(make_lab_on(standbys=1))
    linked.lab.start_load(500)
    linked.set(PARTITION)
    cut = linked.measure()
    arrived = linked.settled()
    gone = wait_until(lambda: linked.ask("pg1", SENT) == 0 and linked.ask("pg2", RECEIVED) == 0, PATIENCE)
    assert gone
    during, current = linked.measure(), int(linked.ask("pg1", CURRENT))
    assert wait_until(lambda: int(linked.ask("pg1", CURRENT)) > current + 50_000, PATIENCE)
    assert linked.ask("pg2", ARRIVED) == arrived  # so what is at risk is the gap between these two, to the byte
    assert during.wal.carried == cut.wal.carried
    assert during.replies.carried == cut.replies.carried
    linked.lab.stop_load()
    assert linked.ask("pg1", "select count(*) from orders") > linked.ask("pg2", "select count(*) from orders")
    linked.heal()
    rows = linked.ask("pg1", "select count(*) from orders")
    assert wait_until(lambda: bool(linked.ask("pg2", "select count(*) from orders") == rows), PATIENCE)
    linked.close()


def test_what_a_cut_left_unreceived_is_exactly_what_a_promotion_then_loses(make_lab: MakeLab) -> None:
    linked = Linked(make_lab(standbys=1))
    linked.write()
    assert wait_until(lambda: bool(linked.ask("pg2", "select count(*) from t") == 100), PATIENCE)
    linked.set(PARTITION)
    linked.write(50_000)  # far more than all buffers on the way
    arrived = linked.settled()
    linked.lab.kill("pg1")
    with state.transaction(linked.lab.directory):
        linkage.clear(linked.site, EDGE, reset=True)  # what the dead one's kernel still holds goes, too
    assert linked.settled() == arrived
    linked.lab.promote("pg2")
    history = (Path(linked.lab.state.node("pg2").data_directory) / "pg_wal" / "00000002.history").read_text()
    high, low = history.split()[1].split("/")
    assert (int(high, 16) << 32) + int(low, 16) <= arrived
    assert linked.ask("pg2", "select count(*) from t") == 100
    linked.close()


def test_a_short_cut_is_ridden_out_by_the_same_connection(linked: Linked) -> None:
    pid = linked.ask("pg2", "select pid from pg_stat_wal_receiver")
    before = linked.measure()
    linked.set(PARTITION)
    linked.write()
    linked.set(CLEAR)
    linked.heal()
    assert linked.measure().wal.dropped == before.wal.dropped
    assert linked.ask("pg2", "select pid from pg_stat_wal_receiver") == pid


def test_without_wal_the_standby_still_replies_until_it_gives_up(linked: Linked) -> None:
    linked.set(LinkCondition(wal=CUT))
    arrived = linked.settled()
    linked.write(1000)
    replied = linked.ask("pg1", "select reply_time from pg_stat_replication")
    assert replied is not None
    newer = f"select count(*) from pg_stat_replication where reply_time > '{replied}'"
    assert wait_until(lambda: linked.ask("pg1", newer) == 1, PATIENCE)
    assert wait_until(lambda: linked.ask("pg2", RECEIVED) == 0, PATIENCE)
    assert wait_until(lambda: linked.ask("pg1", SENT) == 0, PATIENCE)
    assert linked.ask("pg2", ARRIVED) == arrived


def test_without_replies_the_standby_follows_and_the_primary_believes_it_does_not(linked: Linked) -> None:
    linked.set(LinkCondition(replies=CUT))
    believed = linked.ask("pg1", "select flush_lsn::text from pg_stat_replication")
    linked.write(1000)
    written = linked.ask("pg1", CURRENT)
    assert wait_until(lambda: int(linked.ask("pg2", ARRIVED)) >= int(written), TIMEOUT)
    assert linked.ask("pg1", "select flush_lsn::text from pg_stat_replication") in (believed, None)
    assert wait_until(lambda: linked.ask("pg1", SENT) == 0, PATIENCE)


def test_latency_is_what_a_synchronous_commit_waits(linked: Linked) -> None:
    linked.ask("pg1", "alter system set synchronous_standby_names = 'pg2'")
    linked.ask("pg1", "select pg_reload_conf()")
    synchronous = "select count(*) from pg_stat_replication where sync_state = 'sync'"
    assert wait_until(lambda: linked.ask("pg1", synchronous) == 1, PATIENCE)
    try:
        near = min(seconds(linked, "insert into t values (1)") for _ in range(3))
        linked.set(LinkCondition(wal=Flow(latency=0.3), replies=Flow(latency=0.2)))
        far = min(seconds(linked, "insert into t values (1)") for _ in range(3))
        assert far >= 0.5
        assert far - near < 1.0  # once each way, not twice
        assert linked.ask("pg1", "select write_lag from pg_stat_replication").total_seconds() >= 0.5
        delay = linked.measure().wal.delay
        assert delay is not None
        assert delay >= 0.3
    finally:
        linked.ask("pg1", "alter system reset synchronous_standby_names")
        linked.ask("pg1", "select pg_reload_conf()")


def test_bandwidth_holds_the_wal_back_on_the_primary(linked: Linked) -> None:
    rate = 1_000_000
    linked.set(LinkCondition(wal=Flow(bandwidth=rate)))
    begun, before = time.monotonic(), int(linked.ask("pg2", ARRIVED))
    linked.write(60_000)  # about 3.6 MB of WAL
    written = int(linked.ask("pg1", CURRENT))
    assert int(linked.ask("pg2", ARRIVED)) < written
    assert wait_until(lambda: int(linked.ask("pg2", ARRIVED)) >= before + 1_500_000, PATIENCE)
    assert (int(linked.ask("pg2", ARRIVED)) - before) / (time.monotonic() - begun) < rate * 1.3
    assert rate * 0.1 < linked.measure().wal.rate < rate * 1.3


def test_a_reset_ends_the_walreceiver_once_and_the_next_one_streams(linked: Linked) -> None:
    before = linked.ask("pg2", "select pid from pg_stat_wal_receiver")
    with state.transaction(linked.lab.directory):
        linkage.reset(linked.site, EDGE)
    other = f"select count(*) from pg_stat_wal_receiver where status = 'streaming' and pid <> {before}"
    assert wait_until(lambda: linked.ask("pg2", other) == 1, PATIENCE)
    linked.write()
    assert linked.lab.edges[0].condition.is_clear


def test_a_refused_link_is_in_the_standbys_log(linked: Linked) -> None:
    linked.set(LinkCondition(refuse=True))
    assert wait_until(lambda: linked.ask("pg1", SENT) == 0 and linked.ask("pg2", RECEIVED) == 0, PATIENCE)
    log = linked.lab.directory / "pg2" / "postgresql.log"
    assert wait_until(lambda: "Connection refused" in log.read_text(), PATIENCE)
    linked.write()


def test_a_killed_relay_comes_back_with_the_condition_of_the_file(linked: Linked) -> None:
    linked.set(LinkCondition(refuse=True))
    relay = linked.lab.state.relay
    assert relay is not None
    psutil.Process(relay.pid).kill()
    assert wait_until(lambda: not process.is_running(relay), PATIENCE)
    with state.transaction(linked.lab.directory):
        again = helpers.ensure_relay(linked.site)
        assert again != relay
        assert linkage.condition_of(linked.site, EDGE) == LinkCondition(refuse=True)
    port = linked.lab.edges[0].listen
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(host="127.0.0.1", port=port, user="postgres", connect_timeout=5)


def test_a_link_there_is_not_is_named_with_those_there_are(linked: Linked) -> None:
    with pytest.raises(LabError, match="the lab has no link 'pg1<-pg2': it has pg2<-pg1"):
        linkage.condition_of(linked.site, "pg1<-pg2")
