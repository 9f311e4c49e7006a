"""A plan is refused with one sentence before anything is made; a good one has one final form."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgreplterm.lab.config import MIB, Upstream, Wishes, pg_hba_conf, postgresql_conf
from pgreplterm.lab.shape.check import checked
from pgreplterm.lab.shape.errors import PlanError
from pgreplterm.lab.shape.plan import LabPlan, NodePlan, plain_tree
from pgreplterm.lab.shape.settings import OWNED

PRIMARY = NodePlan("pg1")
STANDBY = NodePlan("pg2", "pg1")
CASCADE = NodePlan("pg3", "pg2")


def test_a_plan_gets_its_final_form() -> None:
    plan = checked(
        LabPlan(
            (CASCADE, NodePlan("pg2", "pg1", " 030 s", {"Work_Mem": "8MB"}), PRIMARY),
            synchronous="PG2",
            settings={"work_mem": "4MB"},
        )
    )
    assert [node.name for node in plan.nodes] == ["pg1", "pg3", "pg2"]
    assert [[node.name for node in level] for level in plan.levels()] == [["pg1"], ["pg2"], ["pg3"]]
    assert plan.nodes[2].delay == "30s"
    assert plan.settings_of(plan.nodes[2]) == {"work_mem": "8MB"}
    assert plan.synchronous == "FIRST 1 (pg2)"
    assert checked(plan) == plan


def test_the_plain_tree_has_its_cascades_on_the_standbys_in_turn() -> None:
    plan = checked(LabPlan(plain_tree(2, 3)))
    assert {node.name: node.follows for node in plan.nodes} == {
        "pg1": None, "pg2": "pg1", "pg3": "pg1", "pg4": "pg2", "pg5": "pg3", "pg6": "pg2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("nodes", "complaint", "keys"),
    [
        ((), "a lab has at least one node, the primary: found none", ()),
        (plain_tree(12, 0), "a lab has at most 12 nodes: asked for 13", ("node", "12")),
        ((NodePlan("Pg1"),), "a node's name is 1 to 31 .* since its slot bears it: found 'Pg1'", ("node", "0", "name")),
        ((NodePlan("p" * 32),), "found 'p{32}'", ("node", "0", "name")),
        ((NodePlan("first"),), "no node can be called first", ("node", "0", "name")),
        ((NodePlan("archive"),), "no node can be called archive", ("node", "0", "name")),
        ((PRIMARY, STANDBY, STANDBY), "two nodes are called pg2", ("node", "2", "name")),
        (
            (PRIMARY, NodePlan("pg2", "gp1")),
            "pg2 follows an unknown node 'gp1'; did you mean 'pg1'",
            ("node", "1", "follows"),
        ),
        ((PRIMARY, NodePlan("pg2", "other")), "unknown node 'other'; there are pg1", ("node", "1", "follows")),
        ((PRIMARY, NodePlan("pg2")), "pg1 and pg2 both follow nobody: a lab has one primary", ("node", "1")),
        ((NodePlan("pg1", "pg1"),), "pg1 follows itself: one node has to follow nobody", ("node", "0", "follows")),
        (
            (PRIMARY, NodePlan("pg2", "pg4"), NodePlan("pg3", "pg2"), NodePlan("pg4", "pg3")),
            "pg2 follows pg4, which follows pg3, which follows pg2: one of them has to follow the primary",
            ("node", "1", "follows"),
        ),
        ((NodePlan("pg1", delay="1s"),), "pg1 is the primary and replays nothing", ("node", "0", "delay")),
        ((PRIMARY, NodePlan("pg2", "pg1", "30")), "such as 30s: found '30'", ("node", "1", "delay")),
        ((PRIMARY, NodePlan("pg2", "pg1", "25d")), "at most 2147483647 ms", ("node", "1", "delay")),
    ],
)
def test_a_tree_that_cannot_be(nodes: tuple[NodePlan, ...], complaint: str, keys: tuple[str, ...]) -> None:
    with pytest.raises(PlanError, match=complaint) as caught:
        checked(LabPlan(nodes))
    assert caught.value.keys == keys


@pytest.mark.parametrize(
    ("lab", "own", "complaint"),
    [
        ({"port": "1"}, {}, "port cannot be set: every node of a lab has its own"),
        ({"Primary_ConnInfo": "x"}, {}, "primary_conninfo cannot be set: the lab sets it from 'follows'"),
        ({"archive_command": "x"}, {}, "archive_command cannot be set: it runs a command"),
        ({"recovery_target_time": "x"}, {}, "replays without end"),
        ({"include": "/etc/passwd"}, {}, "include cannot be set: it reads a file"),
        ({"work mem": "1"}, {}, "'work mem' is no name of a setting"),
        ({"a.b.c": "1"}, {}, "'a.b.c' is no name of a setting"),
        ({"work_mem": "1\nport = 1"}, {}, "the value of work_mem is no single line"),
        ({"work_mem": "1", "WORK_MEM": "2"}, {}, "work_mem is set twice"),
        ({"wal_level": "minimal"}, {}, "wal_level is replica or logical where standbys stream: found 'minimal'"),
        ({"max_connections": "many"}, {}, "max_connections is a whole number: found 'many'"),
        ({"max_connections": "50"}, {}, "max_connections = 50 of pg2 is less than the 100 that the data directory"),
        ({}, {"pg1": {"max_connections": "300"}}, "max_connections = 100 of pg2 is less than the 300 that its primary"),
        ({}, {"pg1": {"max_locks_per_transaction": "65"}}, "= 64 of pg2 is less than the 65 that its primary pg1 has"),
        ({}, {"pg2": {"max_wal_senders": "19"}}, "max_wal_senders = 19 of pg2 is less than the 20"),
        ({"max_replication_slots": "0"}, {}, "max_replication_slots = 0 of pg1 is too few for its followers pg2"),
    ],
)
def test_a_setting_that_no_lab_can_have(lab: dict[str, str], own: dict[str, dict[str, str]], complaint: str) -> None:
    nodes = (NodePlan("pg1", settings=own.get("pg1", {})), NodePlan("pg2", "pg1", settings=own.get("pg2", {})))
    with pytest.raises(PlanError, match=complaint) as caught:
        checked(LabPlan(nodes, settings=lab))
    name = next(iter({**lab, **own.get("pg2", {})}), None)
    assert name is None or caught.value.keys[-1].lower() == name.lower()


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        ("", ""),
        ("pg2", "FIRST 1 (pg2)"),
        ("any 1 (pg1, pg2, pg3)", "ANY 1 (pg1, pg2, pg3)"),  # pg1 counts after a failover
        ("FIRST 2 (*)", "FIRST 2 (*)"),
        ("2 (pg2, pg3)", "FIRST 2 (pg2, pg3)"),
        ("ANY 1 pg2", r"is like 'ANY 1 \(pg2, pg3\)' or 'FIRST 1 \(\*\)': expected '\('"),
        ("ANY 1 (pg9)", "synchronous: unknown node 'pg9'; did you mean 'pg"),
        ("ANY 3 (*)", "waits for 3 standbys and only pg2, pg3 of them stream from pg1"),
        ("ANY 2 (pg2, pg2)", "waits for 2 standbys and only pg2 of them streams from pg1: every commit would wait"),
        ("FIRST 1 (pg4)", "waits for 1 standby and none of them streams from pg1"),  # a cascade confirms nothing
    ],
)
def test_a_synchronous_rule_can_be_kept_or_is_refused(rule: str, answer: str) -> None:
    plan = LabPlan(plain_tree(2, 1), synchronous=rule)
    try:
        assert checked(plan).synchronous == answer
    except PlanError as error:
        with pytest.raises(PlanError, match=answer):
            raise error


@pytest.mark.parametrize(
    ("plan", "complaint"),
    [
        (LabPlan((PRIMARY,), name="../x"), "a lab's name is"),
        (LabPlan((PRIMARY,), segment_size=3), "a WAL segment is 1, 2, 4, ... 1024 MiB: asked for 3"),
        (LabPlan((PRIMARY,), postgresql=9), "by its major version, such as 18, or by its bin directory: found 9"),
    ],
)
def test_a_figure_out_of_range(plan: LabPlan, complaint: str) -> None:
    with pytest.raises(PlanError, match=complaint):
        checked(plan)


def settings_in(text: str) -> dict[str, str]:
    pairs = [line.split(" = ", 1) for line in text.splitlines() if " = " in line]
    assert len({name for name, _ in pairs}) == len(pairs)
    return {name: value[1:-1].replace("''", "'") for name, value in pairs}


def test_wishes_win_over_defaults_and_never_over_what_a_lab_needs() -> None:
    wishes = Wishes({"work_mem": "it's", "wal_sender_timeout": "9s"}, "30s", "ANY 1 (pg2)", fsync=False, archive=True)
    text = postgresql_conf("pg1", 5433, Path("/lab/pg1"), 16 * MIB, Upstream("host=x", "pg1"), wishes=wishes)
    found = settings_in(text)
    assert (found["work_mem"], found["wal_sender_timeout"], found["fsync"]) == ("it's", "9s", "off")
    assert (found["recovery_min_apply_delay"], found["synchronous_standby_names"]) == ("30s", "ANY 1 (pg2)")
    assert found["archive_mode"] == "on"
    assert "/lab" not in found["archive_command"] + found["restore_command"]
    plain = settings_in(postgresql_conf("pg1", 5433, Path("/lab/pg1"), 16 * MIB, None))
    assert plain["fsync"] == "on"
    # What the text gives beyond the defaults is refused as a setting, or a plan could undo it.
    hostile = dict.fromkeys(found, "from the plan")
    overridden = settings_in(
        postgresql_conf(
            "pg1", 5433, Path("/lab/pg1"), 16 * MIB, Upstream("host=x", "pg1"),
            wishes=Wishes(hostile, "30s", "ANY 1 (pg2)", archive=True),
        )
    )  # fmt: skip
    kept = {name for name, value in overridden.items() if value != "from the plan"}
    assert kept <= set(OWNED)
    assert {"port", "hba_file", "primary_conninfo", "fsync", "archive_command", "listen_addresses"} <= kept


def test_the_superuser_needs_the_password_from_every_network() -> None:
    rules = [line.split()[1:] for line in pg_hba_conf(["samenet"]).splitlines() if not line.startswith("#")]
    for network in ("127.0.0.1/32", "samenet"):
        methods = {(database, user): method for database, user, door, method in rules if door == network}
        assert methods["all", "postgres"] == methods["replication", "postgres"] == "scram-sha-256"
    users = [(door, user) for database, user, door, _ in rules if database == "all"]
    assert users == sorted(users, key=lambda rule: rule[1] == "all")  # the first rule that fits decides
