"""Point-in-time recovery as a drill: a bad DELETE, and what there was just before it."""

from __future__ import annotations

import time
from pathlib import Path

from pgreplterm.drill import undo
from pgreplterm.drill.procedures.base_backup import BaseBackup
from pgreplterm.drill.procedures.pitr import PointInTimeRecovery
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.shape.plan import LabPlan
from pgreplterm.lab.shape.tree import read_shape
from tests.conftest import MakeLab
from tests.drill.acting import perform, prepared
from tests.drill.running import ask


def test_rows_recovered_are_the_rows_deleted(make_lab: MakeLab, tmp_path: Path) -> None:
    lab = make_lab(plan=LabPlan(read_shape("pg1(pg2)"), archive=True, segment_size=1))
    ask(lab, "pg1", "CREATE TABLE orders_kept AS SELECT n FROM generate_series(1, 1000) n")
    with prepared(PointInTimeRecovery, lab, tmp_path, target="2026-01-01 00:00:00+00") as found:
        assert "the lab has none that is old enough" in found.refused()
    taken = perform(BaseBackup, lab, tmp_path, name="first")
    assert (taken.figure("backup"), taken.figure("backup_end_lsn")) == ("first", lab.base_backups[0].end_lsn)
    with prepared(BaseBackup, lab, tmp_path, name="first") as found:
        assert found.refused() == "the lab has first"
    ask(lab, "pg1", "INSERT INTO orders_kept VALUES (5000)")
    time.sleep(0.02)
    before = str(ask(lab, "pg1", "SELECT clock_timestamp()::text"))
    time.sleep(0.02)
    ask(lab, "pg1", "DELETE FROM orders_kept WHERE n <= 700")
    ask(lab, "pg1", "INSERT INTO orders_kept SELECT n FROM generate_series(6001, 6010) n")
    done = perform(PointInTimeRecovery, lab, tmp_path, target=before, table="orders_kept")
    assert (done.figure("rows_recovered"), done.figure("rows_missing")) == (700, 10)
    assert (done.figure("rows_in_recovered"), done.figure("rows_in_primary")) == (1001, 311)
    assert (done.figure("commits_after_target"), done.figure("rows_after_target")) == (2, 710)
    assert done.figure("backup") == "first"
    assert "before commit of transaction" in str(done.figure("stopped"))
    assert str(done.figure("last_commit_time")) < before.replace("+00", "+00:00") < str(ask(lab, "pg1", "SELECT now()"))
    segments, size = done.figure("restored_segments"), done.figure("restored_bytes")
    assert isinstance(segments, int)
    assert segments > 0
    assert size == segments * (1 << 20)
    assert float(str(done.figure("recovery_seconds"))) > 0
    assert ask(lab, "pg1", "SELECT count(*) FROM orders_kept") == 311, "nothing is copied back"
    with prepared(PointInTimeRecovery, lab, tmp_path, target=before) as again:
        assert "recovered is there already" in again.refused()
    for _ in range(2):
        undo.run(lab, undo.remove_recovered("recovered"))
    assert lab.recovered == ()
    _assert_refusals(lab, tmp_path)
    promoted = perform(PointInTimeRecovery, lab, tmp_path, target=before, action="promote", name="branch")
    assert promoted.figure("timeline_after") == 2
    with lab.connection("branch") as link:
        assert link.execute("SELECT count(*) FROM orders_kept").fetchone() == (1001,)


def _assert_refusals(lab: Lab, folder: Path) -> None:
    for arguments, why in (
        ({"target": "2126-01-01 00:00:00+00"}, "is in the future"),
        ({"target": "2016-01-01 00:00:00+00"}, "is not after the end of the base backup first"),
        ({"target": "9/0"}, "the primary has not written up to 9/0 yet"),
        ({"target": ""}, "expected a time with its zone"),
        ({"target": "9/0", "action": "shrug"}, "found 'shrug'"),
        ({"target": "9/0", "name": "pg2"}, "pg2"),
        ({"target": "9/0", "backup": "second"}, "the lab has none that is old enough"),
    ):
        with prepared(PointInTimeRecovery, lab, folder, **arguments) as found:
            assert why in found.refused(), arguments


def test_a_lab_without_an_archive_is_refused(make_lab: MakeLab, tmp_path: Path) -> None:
    with prepared(PointInTimeRecovery, make_lab(standbys=0, segment_size=1), tmp_path, target="9/0") as found:
        assert "archive" in found.refused()
