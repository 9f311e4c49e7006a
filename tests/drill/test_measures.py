"""Every measure on a real cluster: what it yields, what it is of, and that it says so when it cannot know."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from pgreplterm.drill.figures import Figure, Mark
from pgreplterm.drill.measure import registry
from pgreplterm.drill.measure.consistency import check, verdict_of
from pgreplterm.drill.measure.context import Context
from pgreplterm.drill.measure.curves import curves
from pgreplterm.drill.measure.pattern import matching
from pgreplterm.drill.measure.track import Track
from pgreplterm.drill.stage import Stage
from pgreplterm.drill.watch import Watch
from pgreplterm.errors import PgReplTermError
from pgreplterm.lab.fates import Verdict
from pgreplterm.lab.faults.observe import targets
from pgreplterm.lab.lab import Lab, LabSpec, up


@dataclass
class Place:
    """A lab that is watched, as a run has it."""

    stage: Stage
    track: Track
    marks: list[Mark] = field(default_factory=list)

    @property
    def lab(self) -> Lab:
        return self.stage.lab

    def take(self, name: str, prefix: str = "", **options: object) -> dict[str, Figure]:
        measure = registry.find(name)
        figures = measure.run(Context(self.stage, self.track, self.marks), options, prefix)
        keys = [figure.key for figure in figures]
        assert len(set(keys)) == len(keys), keys
        for figure in figures:
            pattern = matching(measure.yields, figure.key.removeprefix(f"{prefix}_"))
            assert pattern is not None, f"{name} does not tell that it yields {figure.key}"
            assert (figure.unit, bool(figure.how)) == (pattern.unit, True)
        return {figure.key: figure for figure in figures}

    def mark(self, text: str, kind: str = "stage") -> None:
        self.marks.append(Mark(time.time(), text, kind))


@pytest.fixture(scope="module")
def place(lab_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """pg1, pg2, pg3 and the cascade pg4 below pg2, with an archiver that cannot."""
    lab = up(LabSpec(name="measured", standbys=2, cascades=1))
    track = Track()
    try:
        with Watch(targets(lab), 0.1, track.see) as watch:
            watch.newest()
            yield Place(Stage(lab, watch, tmp_path_factory.mktemp("run"), lambda _: None), track)
    finally:
        lab.down()


def test_a_bulk_insert_is_timed_and_its_wal_and_lag_measured(place: Place) -> None:
    place.take("lag-peak")  # before there is any stage
    place.mark("insert it")
    found = place.take("bulk-insert", rows=5000, prefix="big")
    assert found["big_insert_rows"].value == 5000
    wal = found["big_insert_wal_bytes"].value
    assert isinstance(wal, int) and wal > 5000 * 50
    assert found["big_wal_bytes_per_row"].value == wal / 5000
    assert found["big_wal_day_10m_rows_bytes"].value == round(wal / 5000 * 10_000_000)
    for node in ("pg2", "pg3", "pg4"):
        assert isinstance(found[f"big_insert_lag_bytes:{node}"].value, int)
        assert isinstance(found[f"big_insert_catch_up_seconds:{node}"].value, float)
        lags = [found[f"big_insert_{word}_lag_seconds:{node}"].value for word in ("write", "flush", "replay")]
        assert all(isinstance(lag, float) and lag > 0 for lag in lags), lags
        assert lags == sorted(lags)  # type: ignore[type-var]
    since = place.take("wal-written", since="insert it", rows=5000)
    assert since["wal_bytes"].value >= wal  # type: ignore[operator]
    away = since["wal_away_24h_bytes"].value
    assert isinstance(away, int) and away == pytest.approx(since["wal_bytes_per_second"].value * 86400, rel=1e-6)  # type: ignore[operator]


@pytest.mark.parametrize("mode", ["rows", "batches"])
def test_rows_one_by_one_and_in_batches(place: Place, mode: str) -> None:
    told: list[str] = []
    place.stage.observe, before = told.append, place.stage.observe
    found = place.take("bulk-insert", rows=250, mode=mode, batch=100, progress=100, table="piecewise", settle=0)
    place.stage.observe = before
    assert found["insert_rows"].value == 250
    assert len(told) == 3


def test_lag_is_told_per_standby_and_per_hop(place: Place) -> None:
    place.take("bulk-insert", rows=100)
    found = place.take("lag")
    assert {
        found[f"{key}:{node}"].value for key in ("lag_bytes", "hop_lag_bytes") for node in ("pg2", "pg3", "pg4")
    } == {0}
    assert found["time_lag_seconds:pg4"].value == 0


def test_a_standby_that_was_away_has_a_peak_and_a_catch_up(place: Place) -> None:
    lab = place.lab
    place.mark("away", "fault")
    with psycopg.connect(lab.dsn("pg3"), autocommit=True) as link:
        link.execute("SELECT pg_wal_replay_pause()")
        written = place.take("bulk-insert", rows=20_000, settle=0)["insert_wal_bytes"].value
        assert isinstance(written, int)
        place.stage.until(lambda now: (now.link_to("pg3").gaps.replay or 0) >= written, "the gap", 10)  # type: ignore[union-attr]
        place.mark("back", "heal")
        link.execute("SELECT pg_wal_replay_resume()")
    found = place.take("catch-up", nodes="pg3")
    assert 0 < found["catch_up_seconds:pg3"].value < 30  # type: ignore[operator]
    found = place.take("lag-peak", since="fault")
    assert found["peak_lag_bytes:pg3"].value >= written  # type: ignore[operator]
    assert found["peak_lag_bytes:pg2"].value < found["peak_lag_bytes:pg3"].value  # type: ignore[operator]
    assert found["final_lag_bytes:pg3"].value == 0
    assert found["always_streaming:pg3"].value is True
    assert found["sampling_hertz"].value > 5  # type: ignore[operator]
    assert found["peak_lag_seconds:pg3"].value > 0  # type: ignore[operator]


def test_a_standby_that_never_catches_up_has_no_time(place: Place) -> None:
    lab = place.lab
    place.mark("stopped", "fault")
    lab.stop("pg3")
    place.take("bulk-insert", rows=5000, settle=0)
    place.stage.until(lambda now: now.link_to("pg3") is None, "pg3 to be gone", 10)
    lag = place.take("lag", nodes="pg3")["lag_bytes:pg3"]
    found = place.take("catch-up", nodes="pg3", since="fault", within=0.3)
    slots = place.take("slot-retention", since="fault")
    place.mark("started", "heal")
    lab.start("pg3")
    back = place.take("catch-up", nodes="pg3")
    assert lag.value is None
    assert found["catch_up_seconds:pg3"].value is None
    assert "did not within" in found["catch_up_seconds:pg3"].how
    assert slots["retained_bytes:pg3"].value > 100_000  # type: ignore[operator]
    assert slots["peak_retained_bytes:pg3"].value >= slots["retained_bytes:pg3"].value  # type: ignore[operator]
    assert back["catch_up_seconds:pg3"].value > 0  # type: ignore[operator]
    assert place.take("lag-peak", since="fault")["always_streaming:pg3"].value is False


def test_upstreams_tell_positions_and_who_is_synchronous(place: Place) -> None:
    found = place.take("standby-positions")
    assert {found[f"state:{node}"].value for node in ("pg2", "pg3", "pg4")} == {"streaming"}
    assert found["replay_behind_bytes:pg4"].value == 0
    assert found["sent_lsn:pg2"].value == found["replay_lsn:pg2"].value
    sync = place.take("sync-states")
    assert sync["sync_state:pg2"].value == "async"
    assert (sync["synchronous_standbys"].value, sync["synchronous_commit"].value) == (0, "on")


def test_the_same_query_on_every_node(place: Place) -> None:
    found = place.take("query-time", runs=3)
    for node in ("pg1", "pg2", "pg3", "pg4"):
        assert found[f"query_seconds:{node}"].value > 0  # type: ignore[operator]
        assert found[f"missing_bytes:{node}"].value == 0
    assert found["data_age_seconds:pg1"].value == 0


def test_rows_are_counted_on_every_node(place: Place) -> None:
    place.take("bulk-insert", rows=10, table="counted")
    found = place.take("row-counts", tables=["counted"])
    assert [found[f"rows:public_counted:pg{number}"].value for number in (1, 2, 3, 4)] == [10] * 4
    assert found["rows_equal"].value is True
    with pytest.raises(PgReplTermError, match="no nowhere"):
        place.take("row-counts", tables=["nowhere"])


def test_standbys_refuse_what_writes(place: Place) -> None:
    found = place.take("refusal-matrix")
    allowed = ("select", "function", "explain", "explain_analyze", "checkpoint")
    for operation in allowed:
        assert found[f"refused:{operation}:pg2"].value == "allowed"
    for operation in ("insert", "update", "delete", "truncate", "create_table", "drop_table", "temp_table", "vacuum"):
        assert found[f"refused:{operation}:pg2"].value == "25006", operation
        assert found[f"refused:{operation}:pg1"].value == "allowed"
    assert "read-only" in found["refused:insert:pg4"].how
    assert found["refused_count:pg1"].value == 0
    with psycopg.connect(place.lab.dsn("pg1")) as link:
        left = link.execute("SELECT relname FROM pg_class WHERE relname LIKE 'pgreplterm_ref%'").fetchall()
    assert left == []


def test_what_clients_saw_by_stage(place: Place) -> None:
    place.stage.start_probers(2, 0.004)
    place.mark("busy")
    place.stage.await_acks("pg1", 100)
    place.mark("busier")
    place.stage.await_acks("pg1", 50)
    latency = place.take("commit-latency", since="busy", per_server=True)
    rate = place.take("throughput")
    seen = place.take("clients", around="busier")
    place.stage.stop_probers()
    whole = place.take("clients")
    assert 0 < latency["commit_p50_seconds:busy"].value <= latency["commit_max_seconds:busy"].value  # type: ignore[operator]
    assert latency["commit_p50_seconds:busy:pg1"].value == latency["commit_p50_seconds:busy"].value
    assert rate["commits_per_second:busier"].value > 0  # type: ignore[operator]
    assert (seen["lost"].value, seen["ids_unexpected"].value, seen["ids_unread"].value) == (0, 0, 0)
    assert 0 < seen["downtime_seconds"].value < 5  # type: ignore[operator]
    assert whole["acknowledged"].value == whole["ids_ok"].value
    assert {each.key for each in curves(place.track)} >= {"lag_bytes:pg4", "time_lag_seconds:pg2", "retained_bytes:pg3"}


def test_commits_that_wait_and_the_lsn_each_waits_for(place: Place) -> None:
    lab = place.lab
    with psycopg.connect(lab.dsn("pg1"), autocommit=True) as link:
        link.execute("CREATE TABLE IF NOT EXISTS waited (id int)")
        link.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        link.execute("SELECT pg_reload_conf()")
        writer = threading.Thread(target=_write, args=(lab.dsn("pg1"),))
        writer.start()
        try:
            place.stage.until(lambda now: bool(now.primaries[0].sample.activity.waiters), "a wait", 10)  # type: ignore[union-attr]
            found = place.take("waiting-commits")
            end = link.execute("SELECT pg_current_wal_lsn()::text").fetchone()
        finally:
            link.execute("ALTER SYSTEM RESET synchronous_standby_names")
            link.execute("SELECT pg_reload_conf()")
            writer.join()
    assert found["waiting_commits"].value == 1
    (waits,) = (figure for key, figure in found.items() if key.startswith("waits_for_lsn:"))
    assert isinstance(waits.value, str) and end is not None
    assert int(waits.value.replace("/", ""), 16) <= int(
        "".join(f"{int(part, 16):08X}" for part in end[0].split("/")), 16
    )
    place.stage.until(lambda now: now.primaries[0].sample.activity.waiters == (), "no wait", 10)  # type: ignore[union-attr]
    assert place.take("waiting-commits")["waiting_commits"].value == 0


def _write(dsn: str) -> None:
    with psycopg.connect(dsn) as link:
        link.execute("INSERT INTO waited VALUES (1)")


def test_alerts_after_a_fault_and_none_before(place: Place) -> None:
    place.stage.until(lambda now: all(str(node.state) in ("running", "streaming") for node in now.nodes), "calm", 10)
    time.sleep(0.3)  # some quiet ticks
    place.mark("calm")
    time.sleep(0.5)
    place.mark("pg2 dies", "fault")
    place.lab.kill("pg2")
    found = place.take("alerts", rules=["unreachable"], quiet_since="calm")
    place.lab.start("pg2")
    place.lab.wait_streaming("pg2")
    assert found["false_alarms"].value == 0, found["false_alarms"].how
    assert 0 <= found["alert_seconds:unreachable"].value < 10  # type: ignore[operator]
    assert found["alerts"].value >= 1  # type: ignore[operator]


def test_upkeep(place: Place) -> None:
    place.mark("checkpoints")
    with psycopg.connect(place.lab.dsn("pg1"), autocommit=True) as link:
        link.execute("CREATE TABLE IF NOT EXISTS checked AS SELECT 1")
        link.execute("CHECKPOINT")
    time.sleep(0.2)
    found = place.take("checkpoints", since="checkpoints")
    assert found["checkpoints_requested"].value == 1
    assert place.take("checkpoints")["checkpoints_requested"].value >= 1  # type: ignore[operator]
    archive = place.take("archive-status")
    assert (archive["archive_failed"].value, archive["archive_waiting"].value) == (0, 0)
    assert archive["wal_folder_bytes"].value >= place.lab.state.segment_size  # type: ignore[operator]
    conflicts = place.take("recovery-conflicts")
    assert conflicts["recovery_conflicts:pg4"].value == 0
    clone = place.take("clone")
    assert set(place.track.standbys) == {"pg2", "pg3", "pg4"}  # and no backup
    assert clone["clone_bytes"].value > clone["databases_bytes:pg1"].value // 2  # type: ignore[operator]


def test_a_measure_says_what_it_does_not_know(place: Place) -> None:
    wrong: tuple[tuple[str, dict[str, object], str], ...] = (
        ("lagg", {}, "did you mean 'lag'"),
        ("lag", {"node": "pg1"}, "such as 'nodes'"),
        ("bulk-insert", {"rows": "many"}, "a whole number for 'rows'"),
        ("bulk-insert", {"rows": 0}, "at least 1"),
        ("bulk-insert", {"mode": "fast"}, "among statement, rows, batches"),
        ("bulk-insert", {"table": "x; DROP"}, "table's name"),
        ("divergence", {}, "option 'old'"),
        ("lag-peak", {"since": "yesterday"}, "found 'yesterday'"),
        ("lag", {"nodes": "pg9"}, "found 'pg9'"),
    )
    for name, options, said in wrong:
        with pytest.raises(PgReplTermError, match=said):
            registry.find(name).run(Context(place.stage, place.track, place.marks), options)


def test_a_delayed_standby_is_left_out_by_name(place: Place) -> None:
    lab = place.lab
    lab.add_node("late", "pg1", delay="1h")
    try:
        place.take("bulk-insert", rows=10, settle=0)
        checks = check(lab)
    finally:
        lab.remove_node("late")
    assert verdict_of(checks) is Verdict.PASS, checks
    rows = next(each for each in checks if each.name == "rows are equal on all nodes")
    assert "on 4 nodes; late left out" in rows.evidence
    caught_up = next(each for each in checks if each.name == "every standby has caught up")
    assert "received but replayed 1h later" in caught_up.evidence
