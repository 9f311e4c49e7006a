"""The configuration where it matters: which servers a command looks at, by which limits, and how often."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pgreplterm.cli import run
from pgreplterm.cli.terminal import Look
from pgreplterm.errors import ExitCode
from tests.cluster.replicas import Cluster, cluster
from tests.wal.servers import EDGES

from .conftest import Command


@pytest.fixture(scope="module", params=EDGES, ids=lambda major: f"pg{major}")
def pair(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A primary and its standby; nobody hurts them."""
    with cluster(request.param, {"pg1": None, "s1": "pg1"}) as made:
        yield made


def names(text: str) -> list[str]:
    return [node["name"] for node in json.loads(text)["nodes"]]


def test_the_nodes_of_the_profile_are_watched_under_their_names(
    pair: Cluster, pgreplterm: Command, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config_file.write_text(
        f'[profile.default.nodes]\nnorth = "{pair["pg1"].dsn}"\nsouth = "{pair["s1"].dsn}"\n'
        f'[profile.one]\ndiscover = false\ndsns = ["{pair["s1"].dsn}"]\n'
    )
    done = pgreplterm("status", "--json")
    assert (done.status, done.err, names(done.out)) == (ExitCode.OK, "", ["north", "south"])
    assert names(pgreplterm("status", "--json", "--profile", "one").out) == ["s1"]
    assert sorted(names(pgreplterm("status", "--json", "--profile", "one", "--discover").out)) == ["pg1", "s1"]
    assert names(pgreplterm("status", "--json", "--no-discover", pair["pg1"].dsn).out) == ["pg1"]
    monkeypatch.setenv("PGREPLTERM_PROFILE", "one")
    assert names(pgreplterm("status", "--json").out) == ["s1"]
    monkeypatch.setenv("PGREPLTERM_NODES", f"west={pair['pg1'].dsn}")
    assert names(pgreplterm("status", "--json").out) == ["west"]


@pytest.mark.parametrize("words", [["status"], ["lag"], ["slots"], ["timeline"], ["check"], ["wal", "risk"]])
def test_every_command_that_takes_dsns_takes_the_profile(
    words: list[str], pair: Cluster, pgreplterm: Command, config_file: Path
) -> None:
    config_file.write_text(f'[profile.p.nodes]\nnorth = "{pair["pg1"].dsn}"\nsouth = "{pair["s1"].dsn}"\n')
    done = pgreplterm(*words, "--profile", "p", "--json")
    assert done.status == ExitCode.OK, done.err
    assert '"north"' in done.out


def test_the_thresholds_of_the_profile_decide(pair: Cluster, pgreplterm: Command, config_file: Path) -> None:
    config_file.write_text(f'[profile.p]\ndsns = ["{pair["pg1"].dsn}"]\n[profile.p.thresholds]\nsenders_percent = 1\n')
    for command in ("status", "lag", "check"):
        assert pgreplterm(command, pair["pg1"].dsn).status == 0
        done = pgreplterm(command, "--profile", "p")
        assert done.status == 1, done.out
        assert "walsender" in done.out


def test_an_interval_of_the_profile_does_not_slow_a_single_look(
    pair: Cluster, pgreplterm: Command, config_file: Path
) -> None:
    config_file.write_text(f'[profile.default]\ninterval = 300\ndsns = ["{pair["pg1"].dsn}"]\n')
    begun = time.monotonic()
    assert pgreplterm("lag").status == ExitCode.OK
    assert time.monotonic() - begun < 100


@dataclass
class Screen:
    """A terminal that remembers what it was asked to open."""

    opened: list[tuple[Any, ...]] = field(default_factory=list)

    def watch_servers(self, targets: Sequence[Any], title: str, look: Look) -> int:
        self.opened.append((title, [target.name for target in targets], look.interval, look.ascii_only))
        assert look.discover and look.limits is not None
        return 0


def test_the_terminal_takes_the_profile(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file.write_text(
        '[profile.default]\ninterval = "4s"\nascii = true\n[profile.default.nodes]\nnorth = "host=/a"\n'
    )
    monkeypatch.setattr("pgreplterm.cli.watch.is_interactive", lambda: True)
    monkeypatch.setenv("PGHOST", "/c")
    screen = Screen()
    assert run([], screen) == 0
    assert run(["watch", "--interval", "2", "--no-ascii"], screen) == 0
    assert run(["host=/b"], screen) == 0
    assert run(["--profile", "strict", "--interval", "3"], screen) == 0
    assert screen.opened == [
        ("/a:5432", ["north"], 4.0, True),
        ("/a:5432", ["north"], 2.0, False),
        ("/b:5432", ["/b:5432"], 4.0, True),
        ("/c:5432", ["/c:5432"], 3.0, False),
    ]


def test_a_wrong_dsn_of_the_file_is_told_with_its_line(pgreplterm: Command, config_file: Path) -> None:
    config_file.touch(0o600)
    config_file.write_text('[profile.default]\ndsns = ["host=a port=x password=hunter2"]\n')
    done = pgreplterm("status")
    told = "a connection string needs ports from 1 to 65535; found 'x'"
    assert (done.status, done.err) == (ExitCode.USAGE, f"pgreplterm: {config_file}:2: {told}\n")


def test_check_is_unknown_when_the_configuration_is_wrong(pgreplterm: Command, config_file: Path) -> None:
    config_file.write_text("[profile.default]\nascii = 1\n")
    done = pgreplterm("check", "host=/nonexistent")
    assert done.status == 3
    assert done.out.startswith(f"PGREPLTERM UNKNOWN - {config_file}:2: ascii: expected true or false")


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["status", "--help"], ["check", "--help"]])
def test_nothing_is_configured_before_a_command_runs(words: list[str]) -> None:
    assert _imported(words) & {"pgreplterm.config", "tomllib", "psycopg", "textual", "docker"} == set()


def test_looking_at_servers_imports_nothing_for_a_file_that_is_not_there(home: Path) -> None:
    imported = _imported(["status", "host=/nonexistent"])
    assert "psycopg" in imported
    assert imported & {"tomllib", "textual", "docker", "difflib", "pgreplterm.config.template"} == set()


def _imported(words: list[str]) -> set[str]:
    script = f"import sys\nfrom pgreplterm.cli import run\nrun({words!r})\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
