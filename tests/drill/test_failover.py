"""The failover drill on real clusters: nothing lost, something lost, a broken pg_rewind, an interruption."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgreplterm.cluster.connecting.connect import named_target
from pgreplterm.cluster.decoded.wal_range import wal_at
from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.cluster.sampling.sampler import Sampler
from pgreplterm.drill.report.model import Outcome, Report
from pgreplterm.drill.report.store import load, save
from pgreplterm.drill.request import Kind, Request
from pgreplterm.drill.run import run as run_request
from pgreplterm.drill.runs import new_run
from pgreplterm.errors import ExitCode, PgReplTermError
from pgreplterm.lab import links
from pgreplterm.lab.binaries import locate
from pgreplterm.lab.lab import Lab
from pgreplterm.wal.changes import changes
from pgreplterm.wal.lsn import LSN
from tests.conftest import MakeLab

Event = dict[str, Any]
DEADLINE = 60.0


def look(lab: Lab) -> ClusterSnapshot:
    async def sample() -> ClusterSnapshot:
        async with Sampler([named_target(node.name, lab.dsn(node.name)) for node in lab.nodes]) as sampler:
            return await sampler.sample_once()

    return asyncio.run(sample())


def run(
    lab: Lab, base: Path, on_event: Callable[[Event], None] = lambda _: None, **arguments: str
) -> tuple[Report, list[Event]]:
    events: list[Event] = []

    def listen(event: Event) -> None:
        events.append(event)
        on_event(event)

    place = new_run(base, "failover", lab.name, time.time())
    report = run_request(Request(Kind.DRILL, "failover", lab.name, arguments), place, listen)
    save(report, place)
    assert load(place.folder) == report
    return report, events


def value(report: Report, key: str) -> Any:
    figure = report.figure(key)
    assert figure is not None, f"no figure {key}"
    return figure.value


def starts(event: Event, step: str) -> bool:
    return event["event"] == "step_started" and event["step"] == step


def cut_links(lab: Lab, *standbys: str) -> None:
    """Nothing of the primary's WAL reaches these standbys any more; the relay closes their edges."""
    known = links.read(lab.directory)
    changed = known.without([edge for name in standbys for edge in known.into(name)])
    links.write(lab.directory, changed)
    links.reload_relay(lab.directory, lab.state.relay, changed.serial)


def await_probes(lab: Lab, node: str) -> None:
    """Return once the prober's rows show on that node."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        try:
            if lab.probe_ids(node, 1):
                return
        except psycopg.errors.UndefinedTable:
            pass
        time.sleep(0.002)
    raise AssertionError(f"{node} never had a row of the prober")


def assert_healthy(lab: Lab, primary: str, timeline: int) -> None:
    snapshot = look(lab)
    assert [node.name for node in snapshot.primaries] == [primary]
    assert {node.timeline for node in snapshot.nodes} == {timeline}
    assert {str(node.state) for node in snapshot.nodes if node.name != primary} == {"streaming"}


def commit_synchronously(lab: Lab) -> None:
    """From now on a write is acknowledged only once one of the standbys has it, so no failover may lose it."""
    with psycopg.connect(lab.dsn("pg1"), autocommit=True) as link:
        link.execute("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (pg2, pg3)'")
        link.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            row = link.execute("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'").fetchone()
            if row == (2,):
                return
            time.sleep(0.01)
    raise AssertionError("pg2 and pg3 never became synchronous")


def test_a_failover_with_a_cascade_loses_nothing(make_lab_on: MakeLab, tmp_path: Path) -> None:
    lab = make_lab_on(standbys=2, cascades=1)
    commit_synchronously(lab)
    report, events = run(lab, tmp_path)
    assert report.outcome is Outcome.PASSED
    assert (value(report, "timeline_before"), value(report, "timeline_after")) == (1, 2)
    assert (value(report, "lost"), value(report, "lost_ids")) == (0, ())
    assert value(report, "acknowledged") >= 100
    assert 0 < value(report, "promotion_seconds") < value(report, "downtime_seconds") < DEADLINE
    promoted = next(event["node"] for event in events if event["event"] == "promoting")
    assert report.summary == f"pg1 was killed, {promoted} was promoted"
    assert_healthy(lab, promoted, 2)
    history = (Path(lab.state.node(promoted).data_directory) / "pg_wal" / "00000002.history").read_text()
    fork = LSN.parse(value(report, "fork_lsn"))
    assert f"{fork >> 32:X}/{fork & 0xFFFFFFFF:X}" in history
    slots = {(node.name, slot.name) for node in look(lab).nodes for slot in (node.sample.slots if node.sample else ())}
    assert not {slot for slot in slots if slot[0] == "pg1"}, "the old primary still holds WAL for its old standbys"
    assert [event["event"] for event in events][-1] == "done"


@pytest.mark.parametrize("failure", ["crash", "freeze"])
def test_other_ways_to_fail(lab: Lab, tmp_path: Path, failure: str) -> None:
    report, _ = run(lab, tmp_path, failure=failure)
    assert report.outcome is Outcome.PASSED, report.reason
    assert value(report, "timeline_after") == 2
    assert len(look(lab).primaries) == 1


def test_a_primary_that_is_down_already_is_succeeded_and_left_alone(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(PgReplTermError, match=r"failover is refused: .*Nothing was done"):
        run(lab, tmp_path / "refused", failure="none")  # it runs
    lab.kill("pg1")
    report, _ = run(lab, tmp_path, failure="none", rejoin="no")
    assert report.outcome is Outcome.PASSED, report.reason
    assert (value(report, "timeline_after"), value(report, "detection_seconds")) == (2, None)
    assert value(report, "predicted_commits") == 0
    assert not lab.is_running("pg1")
    assert len(look(lab).primaries) == 1


def test_the_journal_names_the_undo_before_the_step(lab: Lab, tmp_path: Path) -> None:
    report, events = run(lab, tmp_path)
    on_disk = [json.loads(line) for line in Path(report.files["journal"]).read_text().splitlines()]
    assert on_disk == json.loads(json.dumps(events))
    kill = next(event for event in events if starts(event, "kill primary"))
    assert kill["undo"] == {
        "action": "start-node", "sentence": "start pg1", "arguments": {"node": "pg1"}, "until": "promote",
    }  # fmt: skip
    assert kill["t"] <= next(e["t"] for e in events if e["event"] == "step_done" and e["step"] == "kill primary")


@pytest.fixture
def binaries_without_rewind(lab_root: Path) -> Iterator[Path]:
    """All of PostgreSQL's programs, but a pg_rewind that fails."""
    folder = lab_root.with_name(f"{lab_root.name}-bin")
    folder.mkdir(mode=0o755)
    for program in locate(None).iterdir():
        if program.name != "pg_rewind":
            (folder / program.name).symlink_to(program)
    broken = folder / "pg_rewind"
    broken.write_text("#!/bin/sh\necho 'pg_rewind: error: broken on purpose' >&2\nexit 1\n")
    broken.chmod(0o755)
    yield folder
    for program in folder.iterdir():
        program.unlink()
    folder.rmdir()


@pytest.mark.parametrize("rewind_works", [True, False], ids=["pg_rewind", "rebuild"])
def test_writes_that_no_standby_received_are_counted_as_lost(
    make_lab: MakeLab, binaries_without_rewind: Path, tmp_path: Path, rewind_works: bool
) -> None:
    lab = make_lab(standbys=2, pg_bin=None if rewind_works else binaries_without_rewind)

    def cut_while_it_writes(event: Event) -> None:
        if event["event"] == "observation" and event["step"] == "start prober":
            for standby in ("pg2", "pg3"):
                await_probes(lab, standby)
            cut_links(lab, "pg2", "pg3")

    report, _ = run(lab, tmp_path, cut_while_it_writes)
    lost, beyond = value(report, "lost"), value(report, "divergent_commits")
    assert value(report, "rejoin") == ("pg_rewind" if rewind_works else "rebuild")
    assert lost >= 5, "of the writes before the kill some came after the cut"
    assert value(report, "divergent_bytes") > 0
    # The old primary's own WAL is the witness: every lost id is a commit past the fork, and there are no others
    # but those whose acknowledgement never arrived.
    assert lost <= beyond <= lost + value(report, "unknown")
    assert (value(report, "predicted_commits"), value(report, "predicted_rows")) == (beyond, beyond)
    kept = json.loads(Path(report.files["diverged"]).read_text())
    assert (kept["fork_lsn"], kept["lost"]["commits"]) == (value(report, "fork_lsn"), beyond)
    assert [table["inserted"] for table in kept["lost"]["tables"] if not table["system"]] == [beyond]
    tail = wal_at(f"{report.files['diverged']}.wal", value(report, "timeline_before"))
    assert changes(tail, LSN.parse(value(report, "fork_lsn"))).commits == beyond, "the tail outlives the rewind"
    assert_healthy(lab, look(lab).primaries[0].name, 2)


def test_two_drills_do_not_run_on_one_lab(lab: Lab, tmp_path: Path) -> None:
    refusals: list[str] = []

    def try_another(event: Event) -> None:
        if starts(event, "start prober"):
            with pytest.raises(PgReplTermError, match="already running") as refused:
                run(lab, tmp_path / "second")
            refusals.append(str(refused.value))

    run(lab, tmp_path / "first", try_another)
    assert len(refusals) == 1


def follow(journal: Path, wanted: Callable[[Event], bool]) -> Event:
    """The first event of a growing journal that is wanted."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        lines = journal.read_text().split("\n")[:-1] if journal.exists() else []
        for line in lines:
            if wanted(json.loads(line)):
                return dict(json.loads(line))
        time.sleep(0.01)
    raise AssertionError(f"{journal}: the event never came")


def test_an_interrupted_drill_starts_the_old_primary_again(lab: Lab, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pgreplterm", "drill", "run", "failover", "--lab", lab.name, "--yes", lab.name]
    drill = subprocess.Popen(
        [*command, "--report-dir", tmp_path], env=dict(os.environ), stderr=subprocess.PIPE, text=True
    )
    try:
        journal = follow_folder(tmp_path)
        follow(journal, lambda event: starts(event, "start prober"))
        lab.freeze("pg2")  # no witness will confirm the loss, so the drill waits in its detection
        lab.freeze("pg3")
        follow(journal, lambda event: starts(event, "detect"))
        drill.send_signal(signal.SIGTERM)
        _, said = drill.communicate(timeout=DEADLINE)
    finally:
        lab.thaw("pg2")
        lab.thaw("pg3")
    assert drill.returncode == ExitCode.INTERRUPTED, said
    assert "Traceback" not in said
    assert lab.is_running("pg1")
    assert lab.state.prober is None
    assert follow(journal, lambda event: event["event"] == "failed")["healed"]
    assert_healthy(lab, "pg1", 1)


def follow_folder(base: Path) -> Path:
    """The journal of the first run there."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        for journal in base.glob("*/journal.jsonl"):
            return journal
        time.sleep(0.01)
    raise AssertionError(f"{base}: no run began")


def test_the_name_must_be_typed(lab: Lab) -> None:
    command = [sys.executable, "-m", "pgreplterm", "drill", "run", "failover", "--lab", lab.name, "--yes", "other"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.USAGE
    assert "nothing was done" in done.stderr
    assert lab.is_running("pg1")
