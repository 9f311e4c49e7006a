"""``pgreplterm status``: the table, the JSON contract, and the exit codes scripts rely on."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pgreplterm.cli import run
from pgreplterm.errors import ExitCode
from pgreplterm.lab.lab import Lab

from .replicas import Cluster


def table(text: str) -> list[list[str]]:
    return [line.split() for line in text.split("\n\n")[0].splitlines()]


def test_the_table_is_a_tree_with_lag_and_ends_in_the_verdict(
    calm: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", *calm.dsns()]) == ExitCode.OK
    out = capsys.readouterr().out
    rows = table(out)
    assert rows[0] == ["NODE", "ROLE", "STATE", "SYNC", "TL", "UNSENT", "FLUSH", "REPLAY", "TIME"]
    assert rows[1] == ["pg1", "primary", "running", "-", "1", "-", "-", "-", "-"]
    assert [row[:6] for row in rows[2:]] == [
        ["+-", "s1", "standby", "streaming", "async", "1"],
        ["+-", "leaf", "cascade", "streaming", "async", "1"],
        ["+-", "s2", "standby", "streaming", "async", "1"],
    ]
    assert out.splitlines()[-1].startswith("3 of 3 standbys streaming; ")


def test_json_keys_are_a_contract(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--json", *calm.dsns()]) == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["taken_at", "verdict", "system_identifier", "nodes", "links", "slots"]
    assert document["verdict"]["severity"] == "ok"
    assert {"name", "address", "role", "state", "timeline", "upstream", "position"} <= set(document["nodes"][0])
    assert [link["downstream"] for link in document["links"]] == ["s1", "leaf", "s2"]
    assert set(document["links"][0]["gaps"]) == {"unsent", "write", "flush", "replay"}
    assert isinstance(document["links"][0]["sender"]["sent_lsn"], str)


def test_a_missing_privilege_is_exit_four(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", *calm.dsns("nobody_special")]) == ExitCode.NO_PRIVILEGE
    assert "lacks pg_monitor" in capsys.readouterr().out
    assert run(["status", *calm.dsns("who_is_this")]) == ExitCode.NO_PRIVILEGE


def test_nobody_there_is_exit_three(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "host=127.0.0.1 port=1"]) == ExitCode.CANNOT_CONNECT
    assert "Connection refused" in capsys.readouterr().out


def test_part_of_a_cluster_is_a_finding(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", calm["pg1"].dsn, "host=127.0.0.1 port=1"]) == ExitCode.FINDING
    assert "127.0.0.1:1 is down" in capsys.readouterr().out


def test_unwatched_downstreams_are_named(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", calm["pg1"].dsn]) == ExitCode.OK
    assert "s1 (of pg1, not watched)" in capsys.readouterr().out


def test_a_wrong_dsn_is_one_sentence_and_exit_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "hots=localhost"]) == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert 'invalid connection option "hots"' in said.err


def test_a_lab_by_name_through_its_relays(shared_lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--json", "--lab", shared_lab.name]) == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert {node["name"]: node["upstream"] for node in document["nodes"]} == {
        record.name: record.upstream for record in shared_lab.nodes
    }
    for link in document["links"]:
        below = next(record for record in shared_lab.nodes if record.name == link["downstream"])
        above = next(record for record in shared_lab.nodes if record.name == below.upstream)
        assert link["receiver"]["sender_port"] != above.port


def test_an_unknown_lab_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--lab", "no-such-lab"]) != ExitCode.OK
    assert capsys.readouterr().err.count("\n") == 1


def test_the_terminal_library_is_not_imported() -> None:
    code = (
        "import sys; from pgreplterm.cli import run; run(['status', 'host=127.0.0.1 port=1']); "
        "sys.exit('textual' in sys.modules or 'docker' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def test_the_model_does_not_import_the_driver() -> None:
    code = (
        "import sys; from pgreplterm.cluster import LagHistory; import pgreplterm.cluster.joining.join, "
        "pgreplterm.cluster.verdict, pgreplterm.cluster.serialize; sys.exit('psycopg' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
