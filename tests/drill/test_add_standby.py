"""Standbys and cascades that join a lab under load, as drills."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgreplterm.drill import undo
from pgreplterm.drill.procedures.add_standby import AddCascade, AddStandby
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.shape.tree import shape_of
from tests.conftest import MakeLab
from tests.drill.acting import perform, prepared
from tests.drill.running import ask


def test_a_standby_and_a_cascade_join_under_load(make_lab: MakeLab, tmp_path: Path) -> None:
    lab = make_lab(standbys=1, segment_size=1)
    lab.start_load(100)
    done = perform(AddStandby, lab, tmp_path)
    below = perform(AddCascade, lab, tmp_path)
    assert shape_of(lab.plan().nodes) == "pg1(pg2(pg4), pg3)"
    assert (done.figure("added"), below.figure("added")) == ("pg3", "pg4")
    assert ask(lab, "pg1", "SELECT string_agg(application_name, ',' ORDER BY 1) FROM pg_stat_replication") == "pg2,pg3"
    for each in (done, below):
        size, whole, copy = (each.figure(key) for key in ("clone_bytes", "add_seconds", "clone_seconds"))
        assert isinstance(size, int)
        assert size > 10 << 20
        assert isinstance(whole, float)
        assert copy is None or 0 <= float(str(copy)) < whole
    keys = {figure.key for figure in below.procedure.figures()}
    assert {f"{kind}:{name}" for kind in ("lag_bytes", "hop_lag_bytes") for name in ("pg2", "pg3", "pg4")} <= keys
    hop, behind, above = (below.figure(key) for key in ("hop_lag_bytes:pg4", "lag_bytes:pg4", "lag_bytes:pg2"))
    assert isinstance(hop, int)
    assert isinstance(above, int)
    assert behind == hop + above
    with prepared(AddStandby, lab, tmp_path, name="late", delay="1h") as late:
        (back,) = (step.undo(late.stage) for step in late.procedure.steps() if step.name == "clone")
        late.act()
    assert ask(lab, "late", "SHOW recovery_min_apply_delay") == "1h"
    assert back is not None
    for _ in range(2):
        undo.run(lab, back)
    assert shape_of(lab.plan().nodes) == "pg1(pg2(pg4), pg3)"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"name": "pg2"}, "the lab has pg1, pg2, pg3, pg4"),
        ({"name": "Pg 5"}, "a node's name is 1 to 31 characters"),
        ({"upstream": "pg9"}, "pg9 does not answer"),
        ({"delay": "soon"}, "a delay is a whole number"),
    ],
)
def test_what_cannot_join_is_refused(shared_lab: Lab, tmp_path: Path, arguments: dict[str, str], why: str) -> None:
    with prepared(AddStandby, shared_lab, tmp_path, **arguments) as found:
        assert why in found.refused()
