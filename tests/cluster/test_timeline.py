"""``pgreplterm timeline``: the tree, the JSON contract, and the exit codes scripts rely on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pgreplterm.cli import run
from pgreplterm.cluster.forks.lineage import Lineage
from pgreplterm.cluster.forks.member import Member
from pgreplterm.cluster.forks.timelines import branches_of, survey
from pgreplterm.errors import ExitCode
from pgreplterm.lab.lab import Lab

from .replicas import Cluster, cluster
from .samples import SYSTEM
from .test_lineage import line


def member(name: str, lineage: Lineage, writes: bool = False) -> Member:
    return Member(name, SYSTEM, 18, lineage, writes=writes, timeline=lineage.history.timeline)


def test_the_tree_nests_and_keeps_namesakes_apart() -> None:
    members = [
        member("old", line(90)),
        member("a", line(300, (1, 80), t2=7)),
        member("b", line(300, (1, 80), t2=8)),
        member("c", line(400, (1, 80), (2, 200), t2=7, t3=9)),
        member("d", line(390, (1, 80), (2, 200), t3=9)),
    ]
    tree = [(branch.timeline, branch.parent, branch.depth, branch.members) for branch in branches_of(members)]
    # d cannot show how its timeline 2 began, and c and b disagree on it: it is put beside neither.
    assert tree == [
        (1, None, 0, ("old",)),
        (2, 0, 1, ()),
        (3, 1, 2, ("d",)),
        (2, 0, 1, ("a",)),
        (3, 3, 2, ("c",)),
        (2, 0, 1, ("b",)),
    ]


def test_a_beginning_that_one_node_cannot_show_is_taken_from_the_one_that_all_others_do() -> None:
    members = [member("a", line(300, (1, 80), t2=7)), member("b", line(310, (1, 80)))]
    assert [branch.members for branch in branches_of(members)] == [(), ("a", "b")]


def test_without_a_primary_each_pair_that_parts_is_told_with_both_sides() -> None:
    found = survey([member("a", line(300, (1, 80))), member("b", line(400, (1, 90)))])
    (parting,) = found.partings
    assert (parting.seen.fork and parting.seen.fork.lsn, parting.seen.beyond, parting.seen.theirs) == (80, 220, 320)
    assert found.diverged == ("a", "b")


def test_without_a_primary_what_was_not_compared_is_unknown() -> None:
    found = survey([member("a", line(300, (1, 80), t2=7)), member("b", line(400, (1, 80)))])
    assert (found.diverged, found.unknown) == ((), ("a", "b"))


def test_a_healthy_cluster_is_one_line(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["timeline", *calm.dsns()]) == ExitCode.OK
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["NODE", "ROLE", "STATE", "END", "OF", "WAL", "PAST", "FORK", "REJOIN"]
    assert out[1] == "timeline 1"
    assert [row.split()[0] for row in out[2:6]] == ["pg1", "s1", "leaf", "s2"]
    assert out[-1] == "every node is on pg1's line"


def test_json_keys_are_a_contract(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["timeline", "--json", *calm.dsns()]) == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert list(document) == [
        "taken_at", "text", "reference", "diverged", "unknown", "timelines", "nodes", "partings",
    ]  # fmt: skip
    assert set(document["timelines"][0]) == {
        "system_identifier", "timeline", "parent", "switchpoint", "reason", "nodes",
    }  # fmt: skip
    assert set(document["nodes"][1]) == {
        "name", "system_identifier", "timeline", "branch", "position", "writes", "rejoin",
        "address", "directory", "role", "state", "missing",
    }  # fmt: skip
    assert set(document["nodes"][1]["rejoin"]) == {
        "action", "reason", "fork_timeline", "fork_lsn", "beyond", "theirs",
    }  # fmt: skip


def test_a_missing_privilege_is_exit_four(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["timeline", *calm.dsns("nobody_special")]) == ExitCode.NO_PRIVILEGE
    assert "pg_monitor" in capsys.readouterr().out


def test_nobody_there_is_exit_three(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["timeline", "host=127.0.0.1 port=1"]) == ExitCode.CANNOT_CONNECT
    assert "127.0.0.1:1" in capsys.readouterr().out


def test_a_wrong_place_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["timeline", str(tmp_path)]) == ExitCode.USAGE
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "pg_control" in said.err
    assert run(["timeline", str(tmp_path / "nowhere")]) == ExitCode.USAGE
    assert "there is no directory" in capsys.readouterr().err


def test_a_wrong_primary_names_the_right_ones(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["timeline", "--primary", "who", *calm.dsns()]) == ExitCode.USAGE
    assert "expected one of pg1, s1, leaf, s2; found 'who'" in capsys.readouterr().err


def test_a_stopped_node_is_told_apart_from_a_killed_one(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(18, {"pg1": None}) as made:
        node = made["pg1"]
        node.stop(signal.SIGKILL)
        assert run(["timeline", str(node.data)]) == ExitCode.OK
        assert "in production, has postmaster.pid" in capsys.readouterr().out
        node.start()
        node.stop()
        assert run(["timeline", "--json", str(node.data)]) == ExitCode.OK
        (entry,) = json.loads(capsys.readouterr().out)["nodes"]
        assert (entry["state"], entry["directory"]) == ("shut down", str(node.data))


def test_a_lab_by_name_with_its_stopped_nodes(shared_lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["timeline", "--lab", shared_lab.name]) == ExitCode.OK
    assert {record.name for record in shared_lab.nodes} <= set(capsys.readouterr().out.split())


def test_the_terminal_library_is_not_imported() -> None:
    code = (
        "import sys; from pgreplterm.cli import run; run(['timeline', 'host=127.0.0.1 port=1']); "
        "sys.exit('textual' in sys.modules or 'docker' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
