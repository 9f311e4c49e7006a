"""Drills on a cluster that is not ours: the test is the operator, who runs what is printed and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from pgreplterm.cli.drill import drill
from pgreplterm.drill.foreign import commands
from pgreplterm.drill.foreign.conduct import Planned, prepare, run
from pgreplterm.drill.foreign.consent import consent
from pgreplterm.drill.foreign.drills import FENCED
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.lab.binaries import environment
from tests.cluster.replicas import Cluster, cluster

MAJOR = int(os.environ.get("PGREPLTERM_FOREIGN_MAJOR", "18"))
PASSWORD = "hunter2"  # in every standby's primary_conninfo
_PRINTED = re.compile(r"  on (\S+)\$ (.+)")


@contextmanager
def a_cluster() -> Iterator[Cluster]:
    """A primary and two standbys that nobody of this program made."""
    with cluster(MAJOR, {"pg1": None, "s1": "pg1", "s2": "pg1"}) as made:
        made["pg1"].sql("create table ids (id bigint primary key)")
        made["pg1"].sql("alter system set log_statement = 'ddl'", "select pg_reload_conf()")
        yield made


@pytest.fixture
def three() -> Iterator[Cluster]:
    """One to break."""
    with a_cluster() as made:
        yield made


@pytest.fixture(scope="module")
def calm() -> Iterator[Cluster]:
    """One that stays as it is."""
    with a_cluster() as made:
        yield made


class Person:
    """Types what the drill prints into a shell of that machine; a server is started as the test's own child."""

    def __init__(self, servers: Cluster, answers: tuple[str, ...] = ()) -> None:
        self.servers = servers
        self.answers = list(answers)
        self.seen: list[str] = []

    def show(self, line: str) -> None:
        self.seen.append(line)
        if printed := _PRINTED.fullmatch(line):
            self.type(printed[2])

    def ask(self, question: str) -> str:
        self.seen.append(question)
        return self.answers.pop(0)

    def type(self, line: str) -> None:
        node = next(each for each in self.servers.nodes.values() if str(each.data) in line)
        if line.startswith("pg_ctl start"):
            node.launch()
            return
        path = {**environment(), "PATH": f"{node.bin}:/usr/bin:/bin"}
        subprocess.run(["sh", "-c", line], check=True, cwd="/", env=path, **node.account.spawn_options)
        if line.startswith("pg_ctl stop") and node._process is not None:
            node._process.wait(30)
            node._process = None


@contextmanager
def writing(servers: Cluster, *names: str) -> Iterator[set[int]]:
    """A client that writes ids on whichever of these nodes takes them; the ids it was told are committed."""
    acknowledged: set[int] = set()
    ended = threading.Event()

    def write() -> None:
        number = 0
        while not ended.is_set():
            for name in names:
                try:
                    with servers[name].connect() as session:
                        while not ended.is_set():
                            number += 1
                            session.execute("insert into ids values (%s)", (number,))
                            acknowledged.add(number)
                except psycopg.Error:
                    ended.wait(0.02)

    client = threading.Thread(target=write)
    client.start()
    try:
        yield acknowledged
    finally:
        ended.set()
        client.join()


def ids_of(servers: Cluster, name: str) -> set[int]:
    with servers[name].connect() as session:
        return {row[0] for row in session.execute("select id from ids")}


def allowed(planned: Planned) -> None:
    assert planned.allowed, [each for each in planned.preflight if not each.allows]


def test_a_switchover_loses_nothing_and_prints_no_password(three: Cluster, tmp_path: Path) -> None:
    person, journal = Person(three), tmp_path / "journal.jsonl"
    planned = prepare("switchover", three.dsns(), {"candidate": "s1"})
    allowed(planned)
    assert planned.scene.cluster == "pg1"
    with writing(three, "pg1", "s1") as acknowledged:
        run(planned, consent(True, "pg1", "pg1"), person, journal)
        assert len(acknowledged) > 100
    assert acknowledged <= ids_of(three, "s1")
    assert not three["s1"].sql("select pg_is_in_recovery()")
    for name in ("pg1", "s2"):
        three[name].wait_for("status = 'streaming' from pg_stat_wal_receiver")
        assert f"host={three['s1'].folder}" in three[name].sql("show primary_conninfo")
        assert PASSWORD in three[name].sql("show primary_conninfo")
        assert three[name].sql("show primary_slot_name") == name
    assert three["pg1"].sql("select count(*) from pg_replication_slots") == 0
    assert PASSWORD not in journal.read_text() + "\n".join(person.seen)
    assert PASSWORD not in (three["pg1"].folder / "log").read_text()
    assert [line for line in person.seen if _PRINTED.fullmatch(line)] == [
        f"  on pg1$ pg_ctl stop -m fast -D {three['pg1'].data}",
        f"  on pg1$ touch {three['pg1'].data}/standby.signal",
        f"  on pg1$ pg_ctl start -D {three['pg1'].data} -l {three['pg1'].data}.log",
    ]


def test_a_primary_that_was_killed_instead_of_stopped_is_not_succeeded(three: Cluster, tmp_path: Path) -> None:
    class Hasty(Person):
        def type(self, line: str) -> None:
            super().type(line.replace("-m fast", "-m immediate"))

    person = Hasty(three)
    planned = prepare("switchover", three.dsns(), {})
    with pytest.raises(DrillFailed, match="to end with pg1's shutdown checkpoint"):
        run(planned, consent(True, "pg1", "pg1"), person, tmp_path / "journal.jsonl")
    assert three["s1"].sql("select pg_is_in_recovery()")
    assert not three["pg1"].sql("select pg_is_in_recovery()")  # the person started it again, as was printed
    assert three["pg1"].sql("show primary_conninfo") == ""
    assert three["s1"].sql("select count(*) from pg_replication_slots") == 0
    assert any("taking back: start pg1 again" in line for line in person.seen)


def test_failover_waits_for_the_fence_then_rejoin_rewinds(three: Cluster, tmp_path: Path) -> None:
    dsns = three.dsns()
    for name in ("s1", "s2"):
        three[name].sql("alter system set primary_conninfo = ''", "select pg_reload_conf()")
        three[name].wait_for("not exists (select from pg_stat_wal_receiver)")
    three.write(rows=100)
    for name in ("s1", "s2"):
        three[name].sql("alter system reset primary_conninfo")
    three["pg1"]._process.kill()  # type: ignore[union-attr]
    three["pg1"]._process.wait(30)  # type: ignore[union-attr]
    three["pg1"]._process = None
    for name in ("s1", "s2"):
        three[name].sql("select pg_reload_conf()")
    arguments = {"data": str(three["pg1"].data), "candidate": "s1"}
    planned = prepare("failover", dsns, arguments)
    name = planned.scene.cluster
    allowed(planned)

    class Watcher(Person):
        def type(self, line: str) -> None:
            """It is dead already; the command is only looked at."""

    with pytest.raises(DrillFailed, match="expected FENCED"):
        run(planned, consent(True, name, name), Watcher(three, ("yes",)), tmp_path / "1.jsonl")
    assert three["s1"].sql("select pg_is_in_recovery()")
    run(planned, consent(True, name, name), Watcher(three, (FENCED,)), tmp_path / "2.jsonl")
    assert not three["s1"].sql("select pg_is_in_recovery()")
    three["s2"].wait_for("status = 'streaming' from pg_stat_wal_receiver")

    planned = prepare("rejoin", dsns, {"data": str(three["pg1"].data), "node": planned.plan.subject.primary or ""})
    allowed(planned)
    run(planned, consent(True, "s1", "s1"), Person(three), tmp_path / "3.jsonl")
    assert three["pg1"].sql("show cluster_name") == "pg1"
    assert three["pg1"].sql("select count(*) from t") == 0  # what only it had written is gone
    assert three["s1"].sql("select count(*) from pg_stat_replication where state = 'streaming'") == 2


def test_repoint_and_sync_mode_by_sql_alone(three: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    person = Person(three)
    planned = prepare("repoint", three.dsns(), {"node": "s2", "source": "s1"})
    allowed(planned)
    run(planned, consent(True, "pg1", "pg1"), person, tmp_path / "1.jsonl")
    assert three["s1"].sql("select application_name from pg_stat_replication") == "s2"
    planned = prepare("sync-mode", three.dsns(), {"rule": "FIRST 1 (s1)"})
    allowed(planned)
    run(planned, consent(True, "pg1", "pg1"), person, tmp_path / "2.jsonl")
    assert three["pg1"].sql("show synchronous_standby_names") == "FIRST 1 (s1)"
    refused = prepare("sync-mode", three.dsns(), {"rule": "FIRST 1 (s2)"})
    assert [each.name for each in refused.preflight if not each.allows] == ["synchronous rule"]
    with pytest.raises(DrillFailed, match="refused: synchronous rule"):
        run(refused, consent(True, "pg1", "pg1"), person, tmp_path / "3.jsonl")
    assert not any(_PRINTED.fullmatch(line) for line in person.seen)

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    words = ["run", "sync-mode", *three.dsns(), "--set", "rule=", "--drills"]
    ended = CliRunner().invoke(drill, words, input="pg1\n")
    assert ended.exit_code == 0, ended.output
    assert "sync-mode on pg1 is done" in ended.stdout
    assert three["pg1"].sql("show synchronous_standby_names") == ""
    (journal,) = (tmp_path / "pgreplterm" / "foreign").iterdir()
    assert "step_done" in journal.read_text()


def test_without_drills_or_with_another_name_nothing_is_touched(calm: Cluster) -> None:
    words = ["run", "switchover", *calm.dsns()]
    runner = CliRunner()
    for more, said in (([], "--drills"), (["--drills", "--yes", "pg2"], "expected the name 'pg1'")):
        ended = runner.invoke(drill, [*words, *more])
        assert isinstance(ended.exception, PgReplTermError)
        assert said in str(ended.exception)
        assert "nothing was done" in str(ended.exception)
    with calm["pg1"].connect() as session:
        assert session.execute("select count(*) from pg_stat_replication").fetchone() == (2,)
    assert calm["s1"].sql("select count(*) from pg_replication_slots") == 0
    plan = runner.invoke(drill, ["plan", "switchover", *calm.dsns()])
    assert plan.exit_code == 0, plan.output
    document = json.loads(runner.invoke(drill, ["plan", "switchover", *calm.dsns(), "--json"]).stdout)
    assert document["allowed"]
    assert document["cluster"] == "pg1"
    assert f"pg_ctl stop -m fast -D {calm['pg1'].data}" in plan.output


def test_a_manager_in_charge_refuses_with_its_own_command(calm: Cluster, tmp_path: Path) -> None:
    with psycopg.connect(calm.dsns()[0], application_name="Patroni heartbeat"):
        planned = prepare("switchover", calm.dsns(), {"candidate": "s1"})
    refused = [each for each in planned.preflight if not each.allows]
    assert [each.name for each in refused] == ["manager"]
    assert "Patroni" in refused[0].evidence
    assert refused[0].remedy == "patronictl switchover CLUSTER --leader pg1 --candidate s1"
    with pytest.raises(DrillFailed, match="refused: manager"):
        run(planned, consent(True, "pg1", "pg1"), Person(calm), tmp_path / "journal.jsonl")


def test_words_of_a_server_cannot_become_commands() -> None:
    assert commands.stop("pg1", "/data; rm -rf /").line == "pg_ctl stop -m fast -D '/data; rm -rf /'"
    printed = commands.append_settings("pg1", "/d", {"primary_slot_name": "it's"}).line
    assert printed == """printf '%s\\n' 'primary_slot_name = '"'"'it'"'"''"'"'s'"'"'' >> /d/postgresql.auto.conf"""
    told = subprocess.run(["sh", "-c", printed.partition(" >>")[0]], capture_output=True, text=True, check=True)
    assert told.stdout == "primary_slot_name = 'it''s'\n"
    assert "\x1b" not in commands.start("pg1", "/d\x1b[31m").line
