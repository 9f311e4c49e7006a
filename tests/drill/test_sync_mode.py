"""Changing the synchronous rule of a running lab, and that it outlives a failover."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pgreplterm.cluster.synchronous import parse_synchronous_standby_names
from pgreplterm.drill import undo
from pgreplterm.drill.procedures.sync_mode import SyncMode, keeps
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import settings
from pgreplterm.lab.lab import Lab
from tests.conftest import _maker
from tests.drill.acting import perform, prepared
from tests.drill.running import ask


@pytest.fixture(scope="module")
def standing(lab_root: Path) -> Iterator[Lab]:
    """One lab of pg1, pg2, pg3 and the cascade pg4 for the module; each test leaves it asynchronous."""
    for make in _maker():
        yield make(standbys=2, cascades=1, segment_size=1)


def rules(lab: Lab) -> set[object]:
    """What the nodes themselves say."""
    return {ask(lab, node.name, "SHOW synchronous_standby_names") for node in lab.nodes}


@pytest.mark.parametrize(
    ("rule", "canonical", "states"),
    [
        ("any 1 (pg2, pg3)", "ANY 1 (pg2, pg3)", "pg2 quorum, pg3 quorum"),
        ("pg3", "FIRST 1 (pg3)", "pg2 async, pg3 sync"),
        ("FIRST 1 (pg3, pg2)", "FIRST 1 (pg3, pg2)", "pg2 potential, pg3 sync"),
        ("", "", "pg2 async, pg3 async"),
    ],
)
def test_every_node_has_the_rule_and_the_standbys_keep_it(
    standing: Lab, tmp_path: Path, rule: str, canonical: str, states: str
) -> None:
    before = standing.state.synchronous
    done = perform(SyncMode, standing, tmp_path, rule=rule)
    assert (done.figure("rule_before"), done.figure("rule_after")) == (before, canonical)
    assert done.figure("sync_states") == states
    assert rules(standing) == {canonical}
    assert standing.plan().synchronous == canonical
    middle, slowest = done.figure("commit_median_seconds"), done.figure("commit_max_seconds")
    assert 0 < float(str(middle)) <= float(str(slowest))
    undo.run(standing, undo.set_synchronous(""))


def test_the_mode_of_commits_goes_with_it_and_both_come_back(standing: Lab, tmp_path: Path) -> None:
    with prepared(SyncMode, standing, tmp_path, rule="FIRST 2 (*)", commit="remote_apply") as found:
        assert found.refused() == ""
        (back,) = (step.undo(found.stage) for step in found.procedure.steps() if step.name == "set rule")
        found.act()
    assert found.details["time commits"].startswith("20 commits with remote_apply")
    assert ask(standing, "pg3", "SELECT reset_val FROM pg_settings WHERE name = 'max_connections'") == "100"
    assert "synchronous_commit = 'remote_apply'" in (standing.directory / "pg2" / "postgresql.conf").read_text()
    assert back is not None
    for _ in range(2):
        undo.run(standing, back)
        assert rules(standing) == {""}
        assert "synchronous_commit" not in standing.state.settings
        assert "synchronous_commit" not in (standing.directory / "pg2" / "postgresql.conf").read_text()


@pytest.mark.parametrize(
    ("rule", "commit", "why"),
    [
        ("pg4", "", "none of them streams from pg1: every commit would wait for ever"),
        ("ANY 3 (*)", "", "waits for 3 standbys and only pg2, pg3 of them stream from pg1"),
        ("ANY 1 (nobody)", "", "there is no node nobody|no node is called|nobody"),
        ("ANY (", "", "is like 'ANY 1"),
        ("", "sometimes", "found 'sometimes'"),
    ],
)
def test_a_rule_that_could_never_be_kept_is_refused(
    standing: Lab, tmp_path: Path, rule: str, commit: str, why: str
) -> None:
    with prepared(SyncMode, standing, tmp_path, rule=rule, commit=commit) as found:
        assert any(part in found.refused() for part in why.split("|")), found.refused()
    with pytest.raises(LabError):
        standing.set_synchronous(rule, commit)
    assert rules(standing) == {""}


def test_a_rule_by_alter_system_would_win_and_is_refused(standing: Lab, tmp_path: Path) -> None:
    ask(standing, "pg1", "ALTER SYSTEM SET synchronous_standby_names = 'pg2'")
    with prepared(SyncMode, standing, tmp_path, rule="pg3") as found:
        assert "ALTER SYSTEM has set synchronous_standby_names on pg1" in found.refused()
    settings.put_back(standing, "pg1", "synchronous_standby_names", None)
    settings.put_back(standing, "pg1", "synchronous_standby_names", None)
    assert settings.held(standing, "pg1") == {}


def test_the_rule_outlives_a_failover(standing: Lab) -> None:
    standing.set_synchronous("ANY 1 (*)")
    standing.kill("pg1")
    standing.promote("pg2")
    assert ask(standing, "pg2", "SHOW synchronous_standby_names") == "ANY 1 (*)"
    standing.repoint("pg3", "pg2")
    standing.rebuild("pg1", "pg2")
    standing.start("pg1")
    assert rules(standing) == {"ANY 1 (*)"}


def test_what_keeping_a_rule_means() -> None:
    rule = parse_synchronous_standby_names("FIRST 1 (a, b)")
    assert not keeps(rule, ())
    assert keeps(None, ())
