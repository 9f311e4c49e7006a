"""An HA manager is seen by what it leaves in SQL, on a real server made to look as if it had one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from pgreplterm.cluster.connecting.ask import asking
from pgreplterm.cluster.connecting.connect import named_target
from pgreplterm.drill.managers import Manager, detect
from pgreplterm.drill.preflight.facts import Facts, NodeFacts, Setting, Traces
from pgreplterm.drill.preflight.reading import read_node
from tests.cluster.replicas import Node, cluster

SWITCHOVER = "switchover"


@pytest.fixture(scope="module")
def server() -> Iterator[Node]:
    with cluster(18, {"pg1": None}) as made:
        yield made["pg1"]


def found(server: Node) -> tuple[Manager, ...]:
    with asking(named_target("pg1", server.dsn)) as ask:
        return detect(Facts(nodes={"pg1": read_node(ask)}, owned=False))


def reloaded(server: Node, *statements: str) -> None:
    """Done, and every later session sees it."""
    loaded = server.sql(*statements, "select pg_conf_load_time()")
    server.sql("select pg_reload_conf()")
    server.wait_for(f"pg_conf_load_time() > '{loaded}'")


@contextmanager
def made_by(server: Node, *statements: str, undo: tuple[str, ...] = (), session: str | None = None) -> Iterator[None]:
    """The server with these traces, and without them afterwards."""
    with ExitStack() as stack:
        stack.callback(lambda: reloaded(server, *undo))
        reloaded(server, *statements)
        if session is not None:
            stack.enter_context(psycopg.connect(server.dsn, application_name=session))
        yield


LOOKS: dict[str, tuple[Callable[[Node], object], str, str]] = {
    "Patroni": (
        lambda server: made_by(server, session="Patroni heartbeat"),
        "a session of 'Patroni heartbeat' on pg1",
        "patronictl switchover pg1 --leader pg1 --candidate pg2",
    ),
    "repmgr": (
        lambda server: made_by(
            server,
            "create schema repmgr",
            "create table repmgr.nodes (node_id int)",
            undo=("drop schema repmgr cascade",),
        ),
        "a table repmgr.nodes on pg1",
        "repmgr standby switchover --siblings-follow (on pg2)",
    ),
    "pg_auto_failover": (
        lambda server: made_by(
            server,
            "create role pgautofailover_replicator replication login",
            "select pg_create_physical_replication_slot('pgautofailover_standby_2')",
            undo=(
                "select pg_drop_replication_slot('pgautofailover_standby_2')",
                "drop role pgautofailover_replicator",
            ),
        ),
        "walsenders or slots named pgautofailover_standby_N on pg1",
        "pg_autoctl perform switchover --pgdata ",
    ),
    "CloudNativePG": (
        lambda server: made_by(
            server,
            "create role streaming_replica replication login",
            "alter system set restore_command = '/controller/manager wal-restore %f %p'",
            undo=("drop role streaming_replica", "alter system reset restore_command"),
        ),
        "restore_command runs /controller/manager on pg1",
        "kubectl cnpg promote pg1 pg2",
    ),
    "Stolon": (
        lambda server: made_by(
            server,
            "select pg_create_physical_replication_slot('stolon_a1b2c3d4')",
            undo=("select pg_drop_replication_slot('stolon_a1b2c3d4')",),
        ),
        "walsenders or slots named stolon_... on pg1",
        "stolonctl failkeeper KEEPER (the keeper of pg1)",
    ),
    "Pgpool-II": (
        lambda server: made_by(server, "create role pgpool login", undo=("drop role pgpool",), session="pgpool"),
        "a role pgpool on pg1",
        "pcp_promote_node --switchover -n ID (the node ID of pg2)",
    ),
}


@pytest.mark.parametrize("name", LOOKS)
def test_one_in_charge_is_found_with_its_evidence_and_its_own_command(server: Node, name: str) -> None:
    look, evidence, command = LOOKS[name]
    with look(server):  # type: ignore[attr-defined]
        (manager,) = found(server)
    assert manager.name == name
    assert evidence in manager.evidence
    assert manager.command(SWITCHOVER, "pg2", "pg1").startswith(command)
    assert found(server) == ()


def test_names_by_chance_are_no_manager(server: Node) -> None:
    """One weak sign of each, and applications that only speak of them."""
    undo = ("drop role repmgr", "drop role streaming_replica", "drop schema repmgr")
    made = ("create role repmgr", "create role streaming_replica", "create schema repmgr")
    with made_by(server, *made, undo=undo, session="patroni-report"):
        assert found(server) == ()


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (NodeFacts(settings={"cluster_name": Setting("main", "configuration file", "/etc/pg/postgresql.base.conf")}),
         "Patroni"),
        (NodeFacts(settings={each: Setting("x", "command line") for each in (
            "cluster_name", "max_prepared_transactions", "max_worker_processes", "wal_level", "hot_standby")}),
         "Patroni"),
        (NodeFacts(settings={"shared_preload_libraries": Setting("pg_stat_statements, repmgr", "configuration file")}),
         "repmgr"),
        (NodeFacts(replication_user="repmgr", traces=Traces(roles=("repmgr",))), "repmgr"),
        (NodeFacts(settings={"port": Setting("5432", "configuration file", "/d/postgresql-auto-failover.conf")}),
         "pg_auto_failover"),
        (NodeFacts(settings={"unix_socket_directories": Setting("/controller/run", "configuration file")}),
         "CloudNativePG"),
        (NodeFacts(settings={"port": Setting("5432", "configuration file", "/d/stolon-postgresql.conf")}), "Stolon"),
        (NodeFacts(traces=Traces(extensions=("pgpool_recovery",))), "Pgpool-II"),
    ],
)  # fmt: skip
def test_each_plain_sign_is_enough(facts: NodeFacts, name: str) -> None:
    assert [manager.name for manager in detect(Facts(nodes={"pg1": facts}))] == [name]


def test_a_promotion_without_a_command_of_its_own_is_a_switchover() -> None:
    facts = Facts(nodes={"pg1": NodeFacts(traces=Traces(slots=("_cnpg_db_2",)))})
    (manager,) = detect(facts)
    assert manager.command("failover", "db-2", "db-1") == "kubectl cnpg promote CLUSTER db-2"
    assert manager.command("repoint", None, None) == "CloudNativePG does that in its own way: see its manual"


def test_hostile_names_are_shown_without_control_characters() -> None:
    facts = Facts(nodes={"pg1": NodeFacts(traces=Traces(applications=("Patroni \x1b[31m",)))})
    assert "\x1b" not in "".join(detect(facts)[0].evidence)
