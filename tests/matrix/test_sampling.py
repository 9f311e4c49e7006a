"""Sampling, topology, ``status`` and ``check`` on a tree of every major, as each kind of role.

``make matrix``. A table of major by role by result is printed at the end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pgreplterm.cli import run
from pgreplterm.errors import ExitCode
from tests.cluster.asking import ROLES
from tests.cluster.replicas import Cluster
from tests.cluster.watching import until, watch

from .majors import MAJORS, require_installation
from .trees import tree

Results = dict[tuple[int, str], str]
_KNOWN_FROM = {
    "volume": 14,
    "pause_state": 14,
    "prefetch": 15,
    "logical_slot": 16,
    "restartpoints_done": 17,
    "done": 18,
}


@pytest.fixture(scope="session")
def results() -> Iterator[Results]:
    """One line of result by major and role, printed when all is done."""
    found: Results = {}
    yield found
    lines = [f"{major:>5}  {role:<15} {result}" for (major, role), result in sorted(found.items())]
    print("", f"{'major':>5}  {'role':<15} result", *lines, sep="\n", file=sys.__stdout__)


@pytest.fixture(scope="session", params=MAJORS)
def grown(request: pytest.FixtureRequest) -> Iterator[tuple[int, Cluster]]:
    """A tree of that major."""
    with tree(require_installation(request.param)) as made:
        yield request.param, made


@pytest.mark.parametrize("role", ROLES)
async def test_the_tree_and_its_figures(
    grown: tuple[int, Cluster], role: str, results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    major, made = grown
    results[major, role] = "failed"
    made.write(rows=1000)
    async with watch(made) as sampler:
        await until(sampler, lambda seen: len(seen.links) == 3 and all(link.gaps.replay == 0 for link in seen.links))
    async with watch(made, role) as sampler:
        sampled = await sampler.sample_once()
    hidden = role == "nobody_special"
    nodes = {node.name: node for node in sampled.nodes}
    assert {node.sample.server_version_num // 10000 for node in sampled.nodes if node.sample} == {major}
    if not hidden:
        assert {name: node.upstream for name, node in nodes.items()} == {
            "pg1": None, "s1": "pg1", "leaf": "s1", "s2": "pg1",
        }  # fmt: skip
        assert {str(node.state) for node in sampled.nodes} == {"running", "streaming"}
    results[major, role] = f"{len(nodes)} nodes, {len(sampled.links)} links"


@pytest.mark.parametrize("role", ROLES)
def test_status_and_check(
    grown: tuple[int, Cluster], role: str, results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    major, made = grown
    hidden = role == "nobody_special"
    status = run(["status", "--json", *made.dsns(role)])
    said = capsys.readouterr().out
    document: dict[str, Any] = json.loads(said)
    assert status == (ExitCode.NO_PRIVILEGE if hidden else ExitCode.OK), document["verdict"]
    assert "hunter2" not in said
    for node in document["nodes"]:
        _assert_shape(node["activity"], major, node["in_recovery"])
        missing = {one["privilege"] for one in node["missing_privileges"]}
        assert ("pg_monitor" in missing) == hidden
        assert bool(missing) == (role != "postgres")
        assert (node["activity"]["folder"] is None) == hidden
    check = run(["check", *made.dsns(role)])
    first, _, _ = capsys.readouterr().out.partition(" | ")
    assert check == (3 if hidden else 0), first
    before = results.get((major, role), "")
    results[major, role] = f"{before}, status {int(status)}, check {check}: {first}"


def _assert_shape(activity: dict[str, Any], major: int, in_recovery: bool) -> None:
    """What a major has no view for is null, and nothing else is."""
    parts = {**activity, **activity["checkpoints"]}
    if in_recovery:
        parts |= {**activity["recovery"], **activity["recovery"]["conflicts"]}
    for part, first in _KNOWN_FROM.items():
        if part in parts:
            assert (parts[part] is not None) == (major >= first), part
    assert activity["control"] is not None
    assert activity["archiver"] is not None
    assert (activity["recovery"] is not None) == in_recovery
