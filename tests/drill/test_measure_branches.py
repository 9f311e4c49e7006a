"""Nodes that agree and nodes that do not: the checker, timelines and divergence, through a split brain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pgreplterm.drill.check import Check
from pgreplterm.drill.check import Verdict as Answer
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure import registry
from pgreplterm.drill.measure.consistency import Extent, check, verdict_of
from pgreplterm.drill.measure.context import Context
from pgreplterm.drill.measure.track import Track
from pgreplterm.drill.stage import Stage
from pgreplterm.drill.watch import Watch
from pgreplterm.lab.binaries import locate
from pgreplterm.lab.fates import Verdict
from pgreplterm.lab.faults.observe import targets
from pgreplterm.lab.lab import Lab
from tests.conftest import MakeLab

ODD_NAME = 'other "database"'


def evidence(checks: tuple[Check, ...], name: str) -> tuple[Answer, str]:
    (found,) = (each for each in checks if each.name == name)
    return found.verdict, found.evidence


def take(stage: Stage, track: Track, name: str, **options: object) -> dict[str, Figure]:
    return {figure.key: figure for figure in registry.find(name).run(Context(stage, track), options)}


def failures(checks: tuple[Check, ...]) -> set[str]:
    return {each.name for each in checks if each.verdict is Answer.REFUSAL}


@pytest.fixture(params=[15, 18])
def pair(request: pytest.FixtureRequest, make_lab: MakeLab) -> Iterator[Lab]:
    """pg1 and pg2, with rows in two databases."""
    lab = make_lab(standbys=1, pg_bin=locate(request.param))
    with psycopg.connect(lab.dsn("pg1"), autocommit=True) as link:
        link.execute('CREATE DATABASE "' + ODD_NAME.replace('"', '""') + '"')
        link.execute("CREATE TABLE first AS SELECT n AS id, now() AS at FROM generate_series(1, 500) AS n")
        link.execute('CREATE UNLOGGED TABLE "Not there" (id int)')
    with lab.connection("pg1", ODD_NAME) as other:
        other.execute('CREATE TABLE "Odd name" AS SELECT n::float8 / 3 AS third FROM generate_series(1, 100) AS n')
    yield lab


def test_nodes_agree_until_they_do_not(pair: Lab, tmp_path: Path) -> None:
    lab = pair
    (journal,) = lab.start_probers(1, 0.002)
    writing = check(lab, Extent((journal,)))
    lab.stop_probers()
    assert verdict_of(writing) is Verdict.UNKNOWN
    assert evidence(writing, "rows are equal on all nodes")[0] is Answer.WARNING

    whole = check(lab, Extent((journal,)))
    assert verdict_of(whole) is Verdict.PASS, whole
    assert "3 tables" in evidence(whole, "rows are equal on all nodes")[1]
    cut = check(lab, Extent((journal,), most_rows=50))
    assert verdict_of(cut) is Verdict.PASS
    assert "only the first rows compared, the rest counted" in evidence(cut, "rows are equal on all nodes")[1]
    assert "postgres.public.first (50 of 500)" in evidence(cut, "rows are equal on all nodes")[1]

    kept = check(lab, Extent((journal,), lost={1: (1, 2)}))
    assert failures(kept) == {"every acknowledged id is on every node, once"}
    with psycopg.connect(lab.dsn("pg1"), autocommit=True) as link:
        link.execute("DELETE FROM pgreplterm_probe WHERE id IN (1, 2)")
        link.execute("SELECT pg_create_physical_replication_slot('stranger')")
    gone = check(lab, Extent((journal,)))
    assert "pg2 lacks 2 ids (1:1, 1:2)" in evidence(gone, "every acknowledged id is on every node, once")[1]
    assert failures(gone) == {"every acknowledged id is on every node, once", "no slot that nobody uses"}
    expected = Extent((journal,), lost={1: (1, 2)}, slots=frozenset({"stranger"}))
    assert verdict_of(check(lab, expected)) is Verdict.PASS

    track = Track()
    with Watch(targets(lab), 0.1, track.see) as watch:
        watch.newest()
        stage = Stage(lab, watch, tmp_path, lambda _: None)
        views_that_differ_by_version(stage, track)
        split(stage, track)
        broken = check(lab)
        promotion(stage, track)
    assert {"one primary", "all on one timeline", "rows are equal on all nodes"} <= failures(broken)
    assert "postgres.public.first (pg1 503 rows" in evidence(broken, "rows are equal on all nodes")[1]
    assert failures(check(lab)) >= {"every node answers"}
    alone = check(lab, Extent(stopped=frozenset({"pg1"})))
    assert evidence(alone, "one primary") == (Answer.OK, "pg2")


def split(stage: Stage, track: Track) -> None:
    """Promote pg2 while pg1 goes on; both write, and both sides are counted."""
    lab = stage.lab
    lab.promote("pg2")
    for node, rows in (("pg1", 3), ("pg2", 7)):
        with psycopg.connect(lab.dsn(node), autocommit=True) as link:
            for number in range(rows):
                link.execute("INSERT INTO first VALUES (%s, now())", [1000 + number])
    stage.until(lambda now: len(now.primaries) == 2 and now.nodes[1].sample.history is not None, "two primaries", 10)  # type: ignore[union-attr]
    found = take(stage, track, "divergence", old="pg1", new="pg2")
    for node, rows in (("pg1", 3), ("pg2", 7)):
        assert found[f"divergent_rows:{node}"].value == rows, found
        assert found[f"divergent_commits:{node}"].value >= rows  # type: ignore[operator]
        assert found[f"divergent_bytes:{node}"].value > 0  # type: ignore[operator]


def promotion(stage: Stage, track: Track) -> None:
    """What it did to the timelines, once pg2 is the only primary."""
    stage.lab.stop("pg1")
    stage.until(lambda now: [node.name for node in now.primaries] == ["pg2"], "pg2 alone", 10)
    found = take(stage, track, "timelines")
    assert (found["timeline_before:pg2"].value, found["timeline:pg2"].value) == (1, 2)
    assert found["wal_file_prefix:pg2"].value == "00000002"
    assert str(found["timeline_history"].value).startswith(f"1 {found['fork_lsn'].value} ")
    jump = found["lsn_jump_bytes"].value
    assert isinstance(jump, int) and 0 < jump < 1024
    stopped = take(stage, track, "divergence", old="pg1")
    assert stopped["divergent_rows:pg1"].value == 3


def views_that_differ_by_version(stage: Stage, track: Track) -> None:
    """Counters of checkpoints, WAL syncs and conflicts."""
    lab = stage.lab
    assert take(stage, track, "timelines")["fork_lsn"].value is None
    lab.checkpoint("pg1")
    assert take(stage, track, "checkpoints")["checkpoints_requested"].value >= 1  # type: ignore[operator]
    lab.start_probers(1, 0.004)
    synced = take(stage, track, "wal-sync", seconds=2)
    lab.stop_probers()
    assert synced["wal_sync_transactions"].value > 10  # type: ignore[operator]
    assert synced["commits_per_wal_sync"].value > 0  # type: ignore[operator]
    conflicts = take(stage, track, "recovery-conflicts")
    assert conflicts["recovery_conflicts:pg2"].value == 0
    assert ("recovery_conflicts:active_logicalslot:pg2" in conflicts) == (lab.state.major >= 16)
