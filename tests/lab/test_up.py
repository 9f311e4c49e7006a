"""A lab comes up, says what it is, and goes without a trace."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import psycopg
import pytest

from pgreplterm.cluster.model import Role
from pgreplterm.lab.build import LabSpec
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.status import Activity
from tests.conftest import MakeLab
from tests.lab.commands import one_sentence, run
from tests.lab.footprint import Footprint
from tests.wal.servers import require_bin


def test_every_standby_streams_with_its_own_name_slot_and_edge(shared_lab: Lab) -> None:
    assert [(node.name, node.role, node.state, node.upstream) for node in shared_lab.status()] == [
        ("pg1", Role.PRIMARY, Activity.RUNNING, None),
        ("pg2", Role.STANDBY, Activity.STREAMING, "pg1"),
        ("pg3", Role.STANDBY, Activity.STREAMING, "pg1"),
        ("pg4", Role.CASCADE, Activity.STREAMING, "pg2"),
    ]
    relay_ports = {edge.name: edge.listen for edge in shared_lab.edges}
    assert sorted(relay_ports) == ["pg2<-pg1", "pg3<-pg1", "pg4<-pg2"]
    for upstream, downstreams in (("pg1", {"pg2", "pg3"}), ("pg2", {"pg4"})):
        with psycopg.connect(shared_lab.dsn(upstream)) as link:
            rows = link.execute(
                "SELECT r.application_name, s.slot_name, r.state FROM pg_stat_replication r"
                " JOIN pg_replication_slots s ON s.active_pid = r.pid"
            ).fetchall()
        assert set(rows) == {(name, name, "streaming") for name in downstreams}
        for name in downstreams:
            with psycopg.connect(shared_lab.dsn(name)) as link:
                ports = link.execute("SELECT sender_port FROM pg_stat_wal_receiver").fetchone()
            assert ports == (relay_ports[f"{name}<-{upstream}"],)


def test_a_write_reaches_the_cascade(shared_lab: Lab) -> None:
    with psycopg.connect(shared_lab.dsn("pg1"), autocommit=True) as link:
        link.execute("CREATE TABLE arrives AS SELECT 42 AS answer")
        position = link.execute("SELECT pg_current_wal_lsn()::text").fetchone()
    with psycopg.connect(shared_lab.dsn("pg4"), autocommit=True) as link:
        while link.execute("SELECT pg_last_wal_replay_lsn() < %s::pg_lsn", position).fetchone() == (True,):
            pass
        assert link.execute("SELECT answer FROM arrives").fetchone() == (42,)


def test_servers_never_run_as_root_and_listen_on_loopback_with_a_password(shared_lab: Lab) -> None:
    for node in shared_lab.nodes:
        assert Path(node.data_directory).stat().st_uid != 0
        with psycopg.connect(shared_lab.dsn(node.name)) as link:
            shown = link.execute(
                "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories'),"
                " current_setting('fsync'), current_setting('cluster_name')"
            ).fetchone()
        assert shown == ("127.0.0.1", "", "on", node.name)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{shared_lab.nodes[0].port}/postgres", passfile=os.devnull)
    assert stat.S_IMODE((shared_lab.directory / "pgpass").stat().st_mode) == 0o600


def test_two_labs_are_different_clusters(shared_lab: Lab, make_lab: MakeLab) -> None:
    other = make_lab(standbys=0)
    identifiers = set()
    for dsn in (shared_lab.dsn("pg1"), other.dsn("pg1")):
        with psycopg.connect(dsn) as link:
            identifiers.add(link.execute("SELECT system_identifier FROM pg_control_system()").fetchone())
    assert len(identifiers) == 2
    assert {lab.name for lab in Lab.find_all()} >= {shared_lab.name, other.name}


@pytest.mark.parametrize("major", [15, 16, 17, 18])
def test_each_major_with_small_segments(make_lab: MakeLab, major: int) -> None:
    lab = make_lab(standbys=1, cascades=1, pg_bin=require_bin(major), segment_size=1)
    assert lab.state.server_version.startswith(str(major))
    assert [node.state for node in lab.status()] == [Activity.RUNNING, Activity.STREAMING, Activity.STREAMING]
    with psycopg.connect(lab.dsn("pg3")) as link:
        assert link.execute("SELECT current_setting('wal_segment_size')").fetchone() == ("1MB",)


def test_the_commands_from_up_to_down(lab_root: Path) -> None:
    before = Footprint()
    up = run(lab_root, "lab", "up", "--name", "walk", "--standbys", "1", "--json")
    assert up.returncode == 0, up.stderr
    document = json.loads(up.stdout)
    assert json.loads(run(lab_root, "lab", "status", "walk", "--json").stdout) == document
    for node in document["nodes"]:
        assert set(node) == {"name", "role", "state", "dsn", "pid", "port", "data_directory", "upstream"}
        assert Path(node["data_directory"], "PG_VERSION").exists()
        assert int(Path(node["data_directory"], "postmaster.pid").read_text().split()[0]) == node["pid"]
    again = run(lab_root, "lab", "up", "--name", "walk")
    assert again.returncode == 2
    assert "pgreplterm lab down walk" in one_sentence(again)
    listed = json.loads(run(lab_root, "lab", "ls", "--json").stdout)["labs"]
    assert [(entry["nodes"], entry["running"]) for entry in listed if entry["name"] == "walk"] == [(2, 2)]
    assert run(lab_root, "lab", "kill", "pg2", "--name", "walk").returncode == 0
    assert "down" in run(lab_root, "lab", "status", "walk").stdout
    assert run(lab_root, "lab", "start", "pg2", "--name", "walk").returncode == 0
    answer = run(lab_root, "lab", "psql", "pg2", "--name", "walk", "--", "-XAtc", "SELECT pg_is_in_recovery()")
    assert answer.stdout == "t\n"
    assert run(lab_root, "lab", "down", "walk").returncode == 0
    before.assert_nothing_left(lab_root / "walk")
    missing = run(lab_root, "lab", "status", "walk")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "no lab named 'walk'" in one_sentence(missing)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        (LabSpec(name="../x"), "a lab's name"),
        (LabSpec(name=""), "a lab's name"),
        (LabSpec(standbys=-1), "negative"),
        (LabSpec(standbys=0, cascades=1), "a cascade streams from a standby"),
        (LabSpec(standbys=50), "at most 12 nodes: asked for 51"),
        (LabSpec(segment_size=3), "asked for 3"),
    ],
)
def test_a_wrong_figure_is_refused_before_anything_is_made(spec: LabSpec, complaint: str) -> None:
    with pytest.raises(LabError, match=complaint):
        spec.check()
