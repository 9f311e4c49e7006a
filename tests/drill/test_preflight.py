"""The list of checks: each verdict by what it is made from, the whole on a real lab, and the table in the manual."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from pgreplterm.cluster.activity import Activity, Archiver, ControlData
from pgreplterm.cluster.connecting.ask import asking
from pgreplterm.cluster.connecting.connect import named_target
from pgreplterm.cluster.joining.join import join
from pgreplterm.cluster.joining.observe import Observation
from pgreplterm.cluster.model import ClusterSnapshot, NodeFailure, NodeSample, NodeState, Slot
from pgreplterm.drill import preflight
from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.foreign.conduct import prepare
from pgreplterm.drill.look import look as look_at_lab
from pgreplterm.drill.preflight import Drill, Facts, Subject, checks, look
from pgreplterm.drill.preflight.facts import HbaRule, NodeFacts, Place, Setting, Traces
from pgreplterm.drill.preflight.hba import replication_door
from pgreplterm.drill.preflight.reading import read_node
from pgreplterm.drill.preflight.rules import RULES, rules_for
from pgreplterm.drill.procedure import Scene
from pgreplterm.errors import PgReplTermError
from pgreplterm.lab.faults import engine
from pgreplterm.lab.lab import Lab
from pgreplterm.wal.lsn import LSN
from tests.cluster.replicas import cluster
from tests.cluster.samples import END, NOW, SYSTEM, primary, sender, standby

OK, WARNING, REFUSAL = Verdict.OK, Verdict.WARNING, Verdict.REFUSAL
MB = 1 << 20
MANUAL = Path(__file__).parents[2] / "docs" / "drill.md"

SETTINGS = {
    "archive_mode": "on", "restore_command": "cp", "data_directory": "/lab/pg1/data", "full_page_writes": "on",
    "listen_addresses": "127.0.0.1", "max_connections": "100", "max_locks_per_transaction": "64",
    "max_prepared_transactions": "10", "max_replication_slots": "20", "max_wal_senders": "20",
    "max_worker_processes": "8", "recovery_min_apply_delay": "0", "recovery_target_timeline": "latest",
    "server_version_num": "180006", "synchronous_standby_names": "", "wal_level": "replica", "wal_log_hints": "on",
}  # fmt: skip
DOOR = HbaRule("host", ("replication",), ("postgres",), "127.0.0.1", "255.255.255.255", "trust")
ARCHIVER = Archiver("on", 5, "0" * 24, 9.0, 0, None, None, None)
CONTROL = ControlData(END, END, 1, 60.0, None, None, False)


def server(name: str, /, **changes: Any) -> NodeFacts:
    settings = {**SETTINGS, "data_directory": f"/lab/{name}/data", **changes.pop("settings", {})}
    file = f"/lab/{name}/postgresql.conf"
    known = NodeFacts(
        settings={key: Setting(value, "configuration file", file) for key, value in settings.items()},
        settings_errors=(), walsenders=0, slots=0, transactions=(), prepared=(), backups=0, archive_ready=0,
        hba=(DOOR,),
        replication_roles=frozenset({"postgres"}), replication_user="postgres", size=20 * MB, tablespaces=0,
        is_superuser=True, traces=Traces(),
    )  # fmt: skip
    return replace(known, **changes)


def facts(**changes: Any) -> Facts:
    nodes = {name: changes.pop(name, server(name)) for name in ("pg1", "pg2", "pg3")}
    places = {name: Place(f"/lab/{name}/data", 10_000 * MB, "127.0.0.1", True) for name in nodes}
    known = Facts(nodes, places, faults=(), drill=0, missing_tools=(), archive=True, archived=7)
    return replace(known, **changes)


def seen(name: str, sample: NodeSample | None, failure: NodeFailure | None = None) -> Observation:
    return Observation(name, f"127.0.0.1:{sum(name.encode())}", sample, failure, has_alias=True)


def snapshot(**changes: Any) -> ClusterSnapshot:
    """A healthy cluster; keywords replace fields of one node's sample: pg2={"timeline": 2}."""
    activity = Activity(control=CONTROL, archiver=ARCHIVER)
    samples = {
        "pg1": primary("pg1", senders=(sender("pg2"), sender("pg3")), activity=activity),
        "pg2": standby("pg2"),
        "pg3": standby("pg3"),
    }
    failures = changes.pop("failures", {})
    return join(
        [seen(name, replace(each, **changes.get(name, {})), failures.get(name)) for name, each in samples.items()],
        NOW,
        stale_after=2.0,
    )


def verdicts(drill: Drill, now: ClusterSnapshot, known: Facts, **who: Any) -> dict[str, Check]:
    who = who or {"primary": "pg1", "candidate": "pg2"}
    return {check.name: check for check in checks(Subject(drill, now, known, **who))}


def test_a_healthy_cluster_passes_every_check() -> None:
    for drill in (Drill.SWITCHOVER, Drill.FAILOVER):
        assert {
            check.name for check in verdicts(drill, snapshot(), facts()).values() if check.verdict is not OK
        } == set()


def test_unknown_is_never_ok() -> None:
    nothing = Facts(nodes={name: NodeFacts(reason="no answer") for name in ("pg1", "pg2", "pg3")})
    found = verdicts(Drill.SWITCHOVER, snapshot(), nothing)
    asked = [rule.name for rule in rules_for(Drill.SWITCHOVER) if "unknown" in found[rule.name].evidence]
    assert len(asked) >= 15
    assert all(found[name].verdict is WARNING for name in asked)


SWITCHOVER_TROUBLE: dict[str, tuple[dict[str, Any], dict[str, Any], Verdict, str]] = {
    "manager": ({}, {"pg2": server("pg2", traces=Traces(applications=("repmgrd",)))}, REFUSAL, "repmgrd"),
    "other drill": ({}, {"drill": 4711}, REFUSAL, "process 4711"),
    "other drill ": ({}, {"left_half_done": "run-1"}, REFUSAL, "run-1 was left half done"),
    "faults": ({}, {"faults": ("cut at pg3",)}, WARNING, "cut at pg3"),
    "one primary": ({"pg3": {"in_recovery": False, "write_lsn": END, "receiver": None}}, {}, REFUSAL, "2: pg1, pg3"),
    "nodes answer": (
        {"failures": {"pg3": NodeFailure(NodeState.DOWN, "refused", NOW, None)}}, {}, WARNING, "pg3 down"),
    "one cluster": ({"pg3": {"system_identifier": SYSTEM + 1}}, {}, REFUSAL, "2 system identifiers"),
    "versions": ({"pg3": {"server_version_num": 180005}}, {}, WARNING, "pg3 18.5"),
    "rights": ({}, {"pg3": server("pg3", is_superuser=False)}, REFUSAL, "no superuser on pg3"),
    "unwatched walsenders": (
        {"pg1": {"senders": (sender("pg2"), sender("pg3"), sender("stranger", pid=9))}}, {}, WARNING, "stranger"),
    "candidate timeline": ({"pg2": {"timeline": 2}}, {}, REFUSAL, "pg2 on timeline 2, pg1 on 1"),
    "replay": (
        {"pg2": {"replay_paused": True, "replay_lsn": LSN(END - 4096)}}, {}, REFUSAL, "with 4 kB of WAL pending"),
    "apply delay": ({}, {"pg2": server("pg2", settings={"recovery_min_apply_delay": "60000"})}, REFUSAL, "1 min"),
    "lag": (
        {"pg1": {"senders": (sender("pg2", replay_lsn=LSN(END - 12 * MB)), sender("pg3"))}}, {}, WARNING, "12.0 MB"),
    "synchronous candidate": (
        {"pg1": {"synchronous_standby_names": "FIRST 1 (pg3)"}}, {}, WARNING, "FIRST 1 (pg3)"),
    "synchronous rule": (
        {}, {"pg2": server("pg2", settings={"synchronous_standby_names": "FIRST 1 (pg2)"})}, WARNING, "wait for ever"),
    "parameters": (
        {}, {"pg3": server("pg3", settings={"max_connections": "50"})}, REFUSAL, "is 50 on pg3, 100 on pg2"),
    "free walsenders": ({}, {"pg2": server("pg2", walsenders=19)}, REFUSAL, "pg2: 1 of 20 free, 2 wanted"),
    "free slots": ({}, {"pg2": server("pg2", slots=20, traces=Traces(slots=("pg1",)))}, REFUSAL, "0 of 20 free, 1 "),
    "wal_level": ({}, {"pg2": server("pg2", settings={"wal_level": "minimal"})}, REFUSAL, "minimal"),
    "replication door": ({}, {"pg2": server("pg2", hba=(replace(DOOR, method="reject"),))}, REFUSAL, "rejects it"),
    "replication role": ({}, {"pg2": server("pg2", replication_roles=frozenset())}, REFUSAL, "postgres"),
    "recovery_target_timeline": (
        {}, {"pg3": server("pg3", settings={"recovery_target_timeline": "1"})}, REFUSAL, "pg3: 1"),
    "archive backlog": ({}, {"pg1": server("pg1", archive_ready=128)}, REFUSAL, "128 files wait"),
    "archiver": (
        {"pg1": {"activity": Activity(archiver=replace(ARCHIVER, failed=3, last_failed_age=1.0))}},
        {}, REFUSAL, "3 failures"),
    "restore_command": ({}, {"pg3": server("pg3", settings={"restore_command": ""})}, WARNING, "empty on pg3"),
    "transactions": ({}, {"pg1": server("pg1", transactions=(0.1, 75.0))}, WARNING, "1 open for more than 10 s"),
    "prepared transactions": ({}, {"pg1": server("pg1", prepared=(5.0,))}, WARNING, "1, the oldest 5.0 s"),
    "base backups": ({}, {"pg1": server("pg1", backups=1)}, REFUSAL, "pg1: 1"),
    "logical slots": (
        {"pg1": {"slots": (Slot("sub", "logical", True, 1, END, 0, "reserved", None, temporary=False),)}}, {},
        WARNING, "sub: not on pg2"),
    "pg_rewind": ({}, {"pg1": server("pg1", settings={"wal_log_hints": "off"})}, WARNING, "neither"),
    "configuration files": ({}, {"pg1": server("pg1", settings_errors=("x.conf:3: bad",))}, REFUSAL, "x.conf:3"),
    "programs": ({}, {"missing_tools": ("pg_rewind",)}, WARNING, "pg_rewind not found"),
    "data directories": ({}, {"pg3": server("pg3", settings={"data_directory": "/else"})}, REFUSAL, "/else"),
    "disk space": ({}, {"pg1": server("pg1", size=20_000 * MB)}, WARNING, "would not fit"),
}  # fmt: skip


@pytest.mark.parametrize("name", SWITCHOVER_TROUBLE)
def test_each_check_sees_its_own_trouble(name: str) -> None:
    now, known, verdict, evidence = SWITCHOVER_TROUBLE[name]
    found = verdicts(Drill.SWITCHOVER, snapshot(**now), facts(**known))[name.strip()]
    assert (found.verdict, found.evidence) == (verdict, found.evidence)
    assert evidence in found.evidence


def test_a_failover_goes_on_where_a_switchover_must_not() -> None:
    """What the candidate lacks is lost, as it would be in earnest; the figure is shown."""
    now = snapshot(
        pg1={"senders": (sender("pg3", flush_lsn=LSN(END - 4096)),)}, pg2={"receiver": None, "replay_paused": True}
    )
    known = facts(pg2=server("pg2", settings={"recovery_min_apply_delay": "60000"}))
    planned, unplanned = (verdicts(drill, now, known) for drill in (Drill.SWITCHOVER, Drill.FAILOVER))
    for name in ("candidate streams", "apply delay"):
        assert (planned[name].verdict, unplanned[name].verdict) == (REFUSAL, WARNING)
    assert unplanned["bytes at risk"].evidence == "4 kB at risk now (4096 bytes)"


def test_no_candidate_and_no_primary_are_refused_without_an_error() -> None:
    empty = snapshot(failures={"pg1": NodeFailure(NodeState.DOWN, "refused", NOW, None)})
    found = verdicts(Drill.SWITCHOVER, empty, facts(), primary=None, candidate=None)
    assert found["one primary"].verdict is found["candidate"].verdict is REFUSAL


def test_a_second_primary_may_be_brought_back_by_rejoin_alone() -> None:
    both = snapshot(pg3={"in_recovery": False, "write_lsn": END, "receiver": None, "flush_lsn": END})
    rejoin = verdicts(Drill.REJOIN, both, facts(), primary="pg1", node="pg3", source="pg1")
    repoint = verdicts(Drill.REPOINT, both, facts(), primary="pg1", node="pg2", source="pg3")
    assert rejoin["one primary"].verdict is OK
    assert repoint["one primary"].verdict is REFUSAL


def test_a_rule_nobody_can_keep_is_refused() -> None:
    for rule, verdict in (("FIRST 1 (pg2)", WARNING), ("ANY 1 (pg2, pg3)", OK), ("FIRST 2 (pg9)", REFUSAL),
                          ("ANY (", REFUSAL), ("", OK)):  # fmt: skip
        found = verdicts(Drill.SYNC_MODE, snapshot(), facts(), primary="pg1", rule=rule)
        assert found["synchronous rule"].verdict is verdict, rule


@pytest.mark.parametrize(
    ("rules", "user", "address", "opened"),
    [
        ((DOOR,), "postgres", "127.0.0.1", True),
        ((DOOR,), "postgres", "10.0.0.7", False),
        ((DOOR,), "other", "127.0.0.1", False),
        ((replace(DOOR, databases=("all",)),), "postgres", "127.0.0.1", False),  # "all" is no replication
        ((replace(DOOR, method="reject"), DOOR), "postgres", "127.0.0.1", False),
        ((replace(DOOR, address="10.0.0.0", netmask="255.0.0.0"),), "postgres", "10.9.8.7", True),
        ((replace(DOOR, address="fe80::", netmask="ffff::"),), "postgres", "fe80::1", True),
        ((replace(DOOR, address="all", netmask=None, users=("all",)),), "x", "8.8.8.8", True),
        ((replace(DOOR, users=("+replicators",)),), "postgres", "127.0.0.1", None),
        ((replace(DOOR, address="db.example.org", netmask=None),), "postgres", "127.0.0.1", None),
        ((replace(DOOR, address="samenet", netmask=None),), "postgres", "172.18.0.1", None),
        ((HbaRule("local", ("replication",), ("all",), None, None, "peer"),), "postgres", None, True),
        ((), "postgres", None, False),
    ],
)  # fmt: skip
def test_the_first_line_that_fits_decides(
    rules: tuple[HbaRule, ...], user: str, address: str | None, opened: bool | None
) -> None:
    assert replication_door(rules, user, address).open is opened


def test_same_network_is_judged_where_it_is_known() -> None:
    rule = replace(DOOR, address="samenet", netmask=None)
    assert replication_door((rule,), "postgres", "172.18.0.1", "172.18.0.0/16").open
    assert not replication_door((rule,), "postgres", "172.19.0.1", "172.18.0.0/16").open


def test_every_fact_can_be_read_on_the_oldest_major_and_few_as_nobody() -> None:
    with cluster(15, {"pg1": None}) as made:
        pg1 = made["pg1"]
        with asking(named_target("pg1", pg1.dsn)) as ask:
            known = read_node(ask)
        unknown = {each.name for each in fields(known) if getattr(known, each.name) is None}
        assert unknown == {"replication_user", "reason"}  # a primary without primary_conninfo
        with asking(named_target("pg1", pg1.dsn_as("nobody_special"))) as ask:
            little = read_node(ask)
        hidden = (little.hba, little.settings_errors, little.transactions, little.archive_ready)
        assert hidden == (None, None, None, None)
        assert little.number("max_wal_senders") == known.number("max_wal_senders")
        assert little.is_superuser is False


def scene(lab: Lab) -> Scene:
    return Scene(lab, look_at_lab(lab))


def test_a_new_lab_passes_and_everything_about_it_is_known(shared_lab: Lab) -> None:
    here = scene(shared_lab)
    known = look(shared_lab, here.snapshot)
    for found in (
        preflight.for_switchover(here, "pg1", "pg2", known),
        preflight.for_failover(here, "pg1", "pg2", known),
        preflight.for_repoint(here, "pg3", "pg2", known),
        preflight.for_new_standby(here, "pg9", "pg1", known),
        preflight.for_sync_mode(here, "ANY 1 (pg2, pg3)", known),
    ):
        assert [check for check in found if check.verdict is not OK] == []
    rejoin = preflight.for_rejoin(here, "pg3", "pg1", known)
    assert [check.name for check in rejoin if check.verdict is not OK] == ["node is stopped"]  # the drill stops it
    assert [check.name for check in preflight.for_pitr(here, None, known) if not check.allows] == ["archive"]


def test_a_lab_is_not_drilled_as_if_it_were_somebody_elses(shared_lab: Lab) -> None:
    dsns = [shared_lab.dsn(node.name) for node in shared_lab.nodes]
    with pytest.raises(PgReplTermError, match=f"expected --lab {shared_lab.name} instead of DSNs; nothing was done"):
        prepare("switchover", dsns, {})


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process's drill."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        os.pwrite(handle, b"1", 0)
        yield
    finally:
        os.close(handle)
        path.unlink()


def test_trouble_on_a_real_lab_is_seen(lab: Lab) -> None:
    """Several at once, each of which a drill would have stumbled over."""
    with lab.connection("pg1") as session, lab.connection("pg2") as on_standby:
        on_standby.execute("SELECT pg_wal_replay_pause()")
        session.execute("CREATE TABLE t (i int)")
        for statement in ("BEGIN", "INSERT INTO t VALUES (1)", "PREPARE TRANSACTION 'left'"):
            session.execute(statement)
        session.execute("ALTER SYSTEM SET primary_conninfo = 'host=nowhere'")
        session.execute("SELECT pg_reload_conf()")
    engine.inject(lab, "freeze", "pg3", {}, None, lambda _: None)
    with locked(lab.directory / ".drill"):
        here = scene(lab)
        found = {each.name: each for each in preflight.for_switchover(here, "pg1", "pg2", look(lab, here.snapshot))}
    expected = {
        "other drill": (REFUSAL, "process 1 runs one"),
        "faults": (WARNING, "freeze at pg3"),
        "replay": (REFUSAL, "of WAL pending"),
        "prepared transactions": (WARNING, "1, the oldest"),
        "ALTER SYSTEM": (REFUSAL, "primary_conninfo of pg1"),
        "nodes answer": (WARNING, "pg3 silent"),
    }
    for name, (verdict, evidence) in expected.items():
        assert found[name].verdict is verdict, found[name]
        assert evidence in found[name].evidence


def test_the_manual_shows_the_list_as_it_is() -> None:
    text = MANUAL.read_text(encoding="utf-8")
    rows = [
        line for line in text.partition("## Preflight")[2].partition("\n## ")[0].splitlines() if line.startswith("| ")
    ]
    listed = [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in rows[2:]]
    wanted = [
        (rule.name, rule.looks, rule.warns or "-", rule.refuses or "-",
         "all" if rule.drills == set(Drill) else ", ".join(each for each in Drill if each in rule.drills))
        for rule in RULES
    ]  # fmt: skip
    assert listed == wanted


def test_every_rule_is_made_by_some_drill_and_named_once() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert len(rules_for(Drill.SWITCHOVER)) >= 26
    assert all(rule.drills for rule in RULES)
