"""The prober on real servers: who answered, what it said, and what became of it."""

from __future__ import annotations

import pytest

from pgreplterm.lab.conninfo import Way
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.fates import Fate, Verdict, classify
from pgreplterm.lab.journal import Attempt, Outcome, client_of, read_journal
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.process import wait_until
from tests.conftest import MakeLab
from tests.lab.asking import ask, setting

_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgreplterm prober'"


def replayed(lab: Lab, node: str, primary: str) -> None:
    """Wait until that standby has replayed what the primary has written so far."""
    position = ask(lab, primary, "SELECT pg_current_wal_lsn()::text")
    assert wait_until(lambda: ask(lab, node, f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn"), 20)


def outcomes(attempts: tuple[Attempt, ...]) -> set[Outcome]:
    return {attempt.outcome for attempt in attempts}


def test_several_probers_know_their_server_and_lose_nothing(shared_lab: Lab) -> None:
    paths = shared_lab.start_probers(3, interval=0.01)
    assert len({client_of(path) for path in paths}) == 3
    with pytest.raises(LabError, match="already has a prober"):
        shared_lab.start_prober()
    assert ask(shared_lab, "pg1", _SESSIONS) == 3
    assert shared_lab.stop_probers() == paths
    replayed(shared_lab, "pg3", "pg1")
    system = ask(shared_lab, "pg1", "SELECT system_identifier FROM pg_control_system()")
    for path in paths:
        attempts = read_journal(path)
        servers = {attempt.server for attempt in attempts}
        assert len(servers) == 1  # asked once a connection
        (server,) = servers
        assert server is not None
        assert (server.port, server.timeline) == (shared_lab.state.node("pg1").port, 1)
        assert server.system_identifier == system
        assert abs(server.backend_started - attempts[0].sent_epoch) < 60
        for node in ("pg1", "pg3"):
            fates = classify(attempts, [shared_lab.read_probes(node, client_of(path))])
            assert fates.verdict is Verdict.PASS
            assert len(fates.of(Fate.OK)) == len(attempts)
    assert shared_lab.stop_probers() == ()


def test_a_cancelled_wait_for_a_standby_is_unknown_and_leaves_no_session(shared_lab: Lab) -> None:
    path = shared_lab.start_prober()
    with setting(shared_lab, "pg1", "synchronous_standby_names", "nobody"):

        def given_up() -> bool:
            return sum(each.outcome is Outcome.UNKNOWN for each in read_journal(path)) >= 2

        assert wait_until(given_up, 20, pause=0.02)
        assert ask(shared_lab, "pg1", _SESSIONS) == 1
    shared_lab.stop_prober()
    attempts = read_journal(path)
    assert {each.server.connection for each in attempts if each.server} == {1}
    doubtful = [each for each in attempts if each.outcome is Outcome.UNKNOWN]
    assert all("replication was not awaited" in each.reason for each in doubtful)
    fates = classify(attempts, [shared_lab.read_probes("pg1", client_of(path))])
    assert fates.of(Fate.UNKNOWN_PRESENT) == tuple(each.id for each in doubtful)
    assert fates.verdict is Verdict.PASS


def test_an_applications_dsn_finds_the_new_primary_on_its_new_timeline(make_lab: MakeLab) -> None:
    lab = make_lab(standbys=1)
    (path,) = lab.start_probers(1, way=Way.APPLICATION)
    ports = {node.name: node.port for node in lab.nodes}
    replayed(lab, "pg2", "pg1")
    lab.kill("pg1")
    lab.promote("pg2")
    assert wait_until(lambda: read_journal(path)[-1].outcome is Outcome.OK, 20, pause=0.02)
    lab.stop_prober()
    attempts = read_journal(path)
    servers = [server for server in dict.fromkeys(each.server for each in attempts) if server is not None]
    assert [(server.port, server.timeline) for server in servers] == [(ports["pg1"], 1), (ports["pg2"], 2)]
    assert len({server.system_identifier for server in servers}) == 1
    fates = classify(attempts, [lab.read_probes("pg2", client_of(path))])
    assert not fates.of(Fate.UNREAD)
    acknowledged_there = [each.id for each in attempts if each.outcome is Outcome.OK and each.server == servers[1]]
    assert set(acknowledged_there) <= set(fates.of(Fate.OK))
    assert Outcome.ERROR in outcomes(attempts) or Outcome.UNKNOWN in outcomes(attempts)
    with pytest.raises(LabError, match="1 to 20 probers write at once: asked for 0"):
        lab.start_probers(0)
