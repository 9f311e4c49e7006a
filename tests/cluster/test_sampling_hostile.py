"""What a server may say and must not do to a terminal or to a log: names with markup and controls, and passwords."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pgreplterm.cli import run
from pgreplterm.errors import ExitCode
from pgreplterm.lab.binaries import environment

from .asking import ROLES
from .replicas import Cluster, Node

MARKUP = "[red]x"
ESCAPING = "ring\x1b[31mbell\x07"


@contextmanager
def receiving_as(node: Node, name: str) -> Iterator[None]:
    """A pg_receivewal of that application_name."""
    folder = node.folder / "received"
    folder.mkdir()
    node.account.own(folder)
    command = [node.bin / "pg_receivewal", "-D", folder, "-d", f"{node.dsn} application_name={name}"]
    receiver = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(), cwd="/",
        **node.account.spawn_options,
    )  # fmt: skip
    try:
        node.wait_for(
            f"count(*) = 1 from pg_stat_replication where application_name = '{name}' and state = 'streaming'"
        )
        yield
    finally:
        receiver.terminate()
        receiver.wait(20)


def test_a_name_that_is_markup_is_shown_as_it_is(sturdy: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    with receiving_as(sturdy["pg1"], MARKUP):
        run(["status", *sturdy.dsns()])
        assert MARKUP in capsys.readouterr().out
        run(["status", "--json", *sturdy.dsns()])
        document = json.loads(capsys.readouterr().out)
    named = [link for link in document["links"] if link["sender"]["application_name"] == MARKUP]
    assert [link["upstream"] for link in named] == ["pg1"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_role_whose_name_rings_the_bell(sturdy: Cluster, capsys: pytest.CaptureFixture[str], exists: bool) -> None:
    """The server quotes the name of a role it does not know; libpq passes it on as it came."""
    node = sturdy["pg1"]
    if exists:
        node.sql(f'create role "{ESCAPING}" login')
    try:
        for options in ([], ["--json"]):
            code = run(["status", *options, node.dsn_as(f"'{ESCAPING}'")])
            assert code == ExitCode.NO_PRIVILEGE
            said = capsys.readouterr()
            assert "\x1b" not in said.out + said.err
            assert "\x07" not in said.out + said.err
            assert exists or "does not exist" in said.out
    finally:
        node.sql(f'drop role if exists "{ESCAPING}"')


@pytest.mark.parametrize("role", ROLES)
def test_the_password_in_primary_conninfo_is_in_no_output(
    calm: Cluster, capsys: pytest.CaptureFixture[str], role: str
) -> None:
    assert "hunter2" in calm["s1"].sql("show primary_conninfo")
    for options in ([], ["--json"]):
        run(["status", *options, *calm.dsns(role)])
        said = capsys.readouterr()
        assert "hunter2" not in said.out + said.err
        assert "s1" in said.out


@pytest.mark.parametrize("role", ROLES)
def test_the_document_has_every_part_of_activity(calm: Cluster, capsys: pytest.CaptureFixture[str], role: str) -> None:
    """Keys are a contract: all there, null where unknown, positions as text."""
    run(["status", "--json", *calm.dsns(role)])
    nodes = {node["name"]: node for node in json.loads(capsys.readouterr().out)["nodes"]}
    for node in nodes.values():
        activity = node["activity"]
        assert list(activity) == [
            *("control", "checkpoints", "archiver", "volume", "recovery", "waiters", "folder"),
            *("sessions", "settings"),
        ]
        assert isinstance(activity["control"]["redo_lsn"], str)
        assert activity["settings"]["wal_level"] == "replica"
        assert set(node["missing_privileges"][0] if role != "postgres" else ()) <= {"hidden", "privilege"}
        assert (activity["folder"] is None) == (role == "nobody_special")
    assert nodes["pg1"]["activity"]["recovery"] is None
    assert nodes["s1"]["activity"]["waiters"] is None
    assert set(nodes["s1"]["activity"]["recovery"]) == {
        *("pause_state", "wait_event_type", "wait_event", "conflicts", "prefetch", "apply_delay"),
    }
    assert nodes["pg1"]["missing_privilege"] == ("pg_monitor" if role == "nobody_special" else None)
