"""Taking back what a run left that died: which undos are due, and one primary with everybody behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pgreplterm.drill import undo
from pgreplterm.drill.conduct import undo_document
from pgreplterm.drill.journal import Journal
from pgreplterm.drill.mend import due, events_of, take_back
from pgreplterm.drill.procedure import Undo
from pgreplterm.errors import DrillFailed
from pgreplterm.lab.faults import mending
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.process import wait_until

Event = Mapping[str, Any]
START = undo.start_node("pg1", until="promote")


def started(what: Undo | None) -> Event:
    return {"event": "step_started", "step": "a", "part": "", "undo": undo_document(what)}


def test_undos_come_newest_first_and_each_once() -> None:
    events = [started(undo.stop_probers()), started(None), started(START)]
    assert list(due(events, -1)) == [START, undo.stop_probers()]
    done = {"event": "undo_done", "undo": undo_document(START)}
    assert list(due([*events, done], -1)) == [undo.stop_probers()]


def test_a_promotion_makes_void_what_would_start_the_old_primary_again() -> None:
    events = [started(START), {"event": "promoting", "node": "pg2"}, started(undo.stop_probers())]
    assert list(due(events, 1)) == [undo.stop_probers()]
    later = undo.start_node("pg2", until="promote")
    assert list(due([*events, started(later)], 1)) == [later, undo.stop_probers()], "of the next drill, not of this"


def test_a_step_makes_void_what_says_until_it() -> None:
    stopped = started(undo.start_node("pg1", until="bring back"))
    assert list(due([stopped], -1)) == [undo.start_node("pg1", until="bring back")]
    assert list(due([stopped, {"event": "step_started", "step": "bring back", "undo": None}], -1)) == []


def test_a_torn_last_line_is_no_event(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"event": "running", "t": 1}\n{"event": "step_st')
    assert [event["event"] for event in events_of(path)] == ["running"]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.jsonl")) as one:
        yield one


def killed(journal: Journal, *promoted: str) -> Journal:
    """As an engine leaves it that was killed after it had killed pg1, and perhaps begun to promote others."""
    journal.write("step_started", step="kill primary", part="", undo=undo_document(START))
    for node in promoted:
        journal.write("promoting", node=node)
    return journal


def standing(lab: Lab) -> dict[str, tuple[bool, int]]:
    """Whether each node is in recovery, and on which timeline it was last."""
    found = {}
    for node in lab.nodes:
        with lab.connection(node.name) as link:
            row = link.execute(
                "SELECT pg_is_in_recovery(), COALESCE((SELECT received_tli FROM pg_stat_wal_receiver),"
                " (SELECT timeline_id FROM pg_control_checkpoint()))"
            ).fetchone()
            assert row is not None
            found[node.name] = (bool(row[0]), int(row[1]))
    return found


def whole(lab: Lab, primary: str, timeline: int) -> None:
    for node in lab.nodes:
        if node.name != primary:
            lab.wait_streaming(node.name)
    lab.checkpoint(primary)
    wanted = {node.name: (node.name != primary, timeline) for node in lab.nodes}
    wait_until(lambda: standing(lab) == wanted, 10.0)  # one may stream the end of the old timeline for a moment
    assert standing(lab) == wanted


def test_before_a_promotion_the_old_primary_starts_again(lab: Lab, journal: Journal) -> None:
    lab.kill("pg1")
    said: list[str] = []
    take_back(lab, killed(journal), said.append)
    assert "undo: start pg1" in said
    whole(lab, "pg1", 1)


@pytest.mark.parametrize("how_far", ["nothing sent", "promoted by hand", "promoted", "old primary back", "rewinding"])
def test_a_promotion_that_was_begun_is_brought_to_its_end(
    lab: Lab, journal: Journal, tmp_path: Path, how_far: str
) -> None:
    lab.kill("pg1")
    if how_far == "promoted by hand":  # the killed program had sent pg_promote and recorded nothing
        with lab.connection("pg2") as link:
            link.execute("SELECT pg_promote()")
    elif how_far != "nothing sent":
        lab.promote("pg2")
    if how_far == "old primary back":
        lab.start("pg1")
        with lab.connection("pg1") as link:
            link.execute("CREATE TABLE nobody_has AS SELECT 1")
    if how_far == "rewinding":
        mending.mark(lab, "pg1")
    said: list[str] = []
    take_back(lab, killed(journal, "pg2"), said.append, [tmp_path / "diverged.json"])
    assert "undo: start pg1" not in said
    whole(lab, "pg2", 2)
    assert (tmp_path / "diverged.json").exists() == (how_far == "old primary back"), said
    take_back(lab, journal, said.append)
    whole(lab, "pg2", 2)


def test_what_cannot_be_undone_is_said(lab: Lab, journal: Journal) -> None:
    journal.write("step_started", step="a", part="", undo=undo_document(Undo("fly", "fly away")))
    with pytest.raises(DrillFailed, match="fly away: expected an undo among"):
        take_back(lab, journal, lambda _: None)
    whole(lab, "pg1", 1)
