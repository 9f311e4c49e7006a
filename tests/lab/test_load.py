"""The load on real servers: what it reports is what is there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgreplterm.lab import process, state
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.load import pgbench_setup
from pgreplterm.lab.load.plan import EVERY_NODE, Kind, Plan
from pgreplterm.lab.process import wait_until
from pgreplterm.lab.site import Site
from tests.conftest import MakeLab
from tests.lab.asking import ask, setting
from tests.lab.commands import one_sentence, run

Report = dict[str, Any]


def rows(lab: Lab, node: str = "pg1") -> int:
    """Rows of orders there; none when there is no such table yet."""
    if ask(lab, node, "SELECT to_regclass('orders')") is None:
        return 0
    return int(ask(lab, node, "SELECT count(*) FROM orders"))


def report(lab: Lab) -> Report:
    """What the load said last."""
    status = lab.load_status()
    assert status is not None
    return status.report


def await_report(lab: Lab, wanted: Callable[[Report], object]) -> Report:
    """The first report that is as wanted."""
    assert wait_until(lambda: bool(wanted(report(lab))), 30, pause=0.02), report(lab)
    return report(lab)


def readers(of: Report) -> dict[str, Report]:
    return {each["node"]: each for each in of["readers"]}


def assert_counted(last: Report, found: int) -> None:
    """Every acknowledged row is there, and what is there beside them is what nobody knew of."""
    assert last["rows"] <= found <= last["rows"] + last["unknown_rows"]


@contextmanager
def load(lab: Lab, plan: Plan) -> Iterator[None]:
    """A load that ends with the block."""
    lab.start_load(plan=plan)
    try:
        yield
    finally:
        lab.stop_load()


def test_every_acknowledged_row_is_counted_beside_its_target(shared_lab: Lab, lab_root: Path) -> None:
    before = rows(shared_lab)
    with load(shared_lab, Plan(rate=200, clients=3)):
        second = await_report(shared_lab, lambda now: now["rows"] >= 150)
        shown = run(lab_root, "load", "status", "--lab", shared_lab.name)
        document = json.loads(run(lab_root, "load", "status", "--lab", shared_lab.name, "--json").stdout)
    last = report(shared_lab)
    assert last["ended"]
    assert last["rows"] == last["transactions"]
    assert_counted(last, rows(shared_lab) - before)
    assert second["target"] == {"rows_per_second": 200.0, "transactions_per_second": 200.0}
    achieved = second["since_start"]
    assert achieved["rows_per_second"] == pytest.approx(second["rows"] / achieved["seconds"], rel=0.01)
    assert achieved["rows_per_second"] < 2 * 200  # made up for, never run ahead of
    spread = second["commit_seconds"]["newest"]
    assert 0 < spread["p50"] <= spread["p95"] <= spread["p99"] <= spread["max"]
    assert spread["commits"] == second["transactions"]
    assert "single, 3 clients, on pg1" in shown.stdout
    assert document["node"] == "pg1"
    assert document["running"] is True
    with psycopg.connect(document["application_dsn"]) as link:
        assert link.info.port == shared_lab.state.node("pg1").port


def test_a_load_that_cannot_hold_its_rate_says_so(shared_lab: Lab, lab_root: Path) -> None:
    with load(shared_lab, Plan(rate=100_000)):
        late = await_report(
            shared_lab, lambda now: now["holds_rate"] is False and now["last_second"]["rows_per_second"]
        )
        shown = run(lab_root, "load", "status", "--lab", shared_lab.name)
    assert late["last_second"]["rows_per_second"] < 0.9 * late["target"]["rows_per_second"]
    assert late["late_seconds"] > 0
    assert shown.returncode == 1
    assert "it does not hold its rate" in shown.stdout
    stopped = run(lab_root, "load", "status", "--lab", shared_lab.name)
    assert "ended" in stopped.stdout
    assert "LAST SECOND" in stopped.stdout
    assert " ? " in stopped.stdout  # nobody knows the last second of a load that has ended


def test_batches_are_whole_and_a_load_ends_when_its_time_is_over(shared_lab: Lab, lab_root: Path) -> None:
    before = rows(shared_lab)
    command = ["load", "start", "--lab", shared_lab.name, "--kind", "batch", "--rate", "40000", "--seconds", "0.5"]
    started = run(lab_root, *command)
    assert started.returncode == 0, started.stderr
    last = await_report(shared_lab, lambda now: now["ended"])
    assert last["plan"]["batch"] == 10_000
    assert last["rows"] == 10_000 * last["transactions"] > 0
    assert_counted(last, rows(shared_lab) - before)
    shared_lab.stop_load()


def test_a_reader_sees_how_stale_its_node_is(shared_lab: Lab, lab_root: Path) -> None:
    plan = Plan(rate=100, readers={EVERY_NODE: 1, "pg2": 2, "pg4": 0}, read_rate=20)
    with load(shared_lab, plan):
        await_report(shared_lab, lambda now: len(seen := readers(now)) == 3 and all(n["reads"] for n in seen.values()))
        ask(shared_lab, "pg3", "SELECT pg_wal_replay_pause()")
        try:
            behind = readers(await_report(shared_lab, lambda now: (readers(now)["pg3"]["age_seconds"] or 0) > 0.8))
            shown = run(lab_root, "load", "status", "--lab", shared_lab.name)
        finally:
            ask(shared_lab, "pg3", "SELECT pg_wal_replay_resume()")

        def caught(now: Report) -> bool:
            left = readers(now)["pg3"]["rows_behind"]
            return left is not None and left < behind["pg3"]["rows_behind"]

        caught_up = await_report(shared_lab, caught)
    assert {name: each["readers"] for name, each in behind.items()} == {"pg1": 1, "pg2": 2, "pg3": 1}
    assert behind["pg3"]["rows_behind"] > 20
    for name in ("pg1", "pg2"):
        assert behind[name]["age_seconds"] < behind["pg3"]["age_seconds"]
        assert behind[name]["rows_behind"] < behind["pg3"]["rows_behind"]
    assert readers(caught_up)["pg3"]["age_seconds"] < behind["pg3"]["age_seconds"]
    assert "ROWS BEHIND" in shown.stdout


def test_a_read_cancelled_by_recovery_is_a_conflict_and_no_error(shared_lab: Lab) -> None:
    with setting(shared_lab, "pg2", "max_standby_streaming_delay", "0"):
        ask(shared_lab, "pg1", "CREATE TABLE IF NOT EXISTS conflicts (id int)")
        with load(shared_lab, Plan(rate=50, readers={"pg2": 2}, read_rate=5, read_seconds=0.5)):

            def disturb(now: Report) -> bool:
                ask(shared_lab, "pg1", "INSERT INTO conflicts VALUES (1)", "DELETE FROM conflicts", "VACUUM conflicts")
                return bool(readers(now) and readers(now)["pg2"]["conflicts"])

            found = readers(await_report(shared_lab, disturb))["pg2"]
    assert found["conflicts"] > found["errors"]


def test_writers_wait_for_a_standby_and_a_cancelled_wait_is_unknown(shared_lab: Lab) -> None:
    before = rows(shared_lab)
    with load(shared_lab, Plan(rate=100, clients=2)):
        with setting(shared_lab, "pg1", "synchronous_standby_names", "nobody"):
            stuck = await_report(shared_lab, lambda now: now["waiting_for_standby"] == 2)
            cancelled = ask(
                shared_lab,
                "pg1",
                "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity"
                " WHERE application_name = 'pgreplterm load' AND wait_event = 'SyncRep'",
            )
            assert cancelled == 2
            doubtful = await_report(shared_lab, lambda now: now["unknown"] >= stuck["unknown"] + 2)
            assert doubtful["rows"] == stuck["rows"]
            assert doubtful["reconnects"] == stuck["reconnects"]
        resumed = await_report(shared_lab, lambda now: now["rows"] > doubtful["rows"] + 50)
        assert resumed["holds_rate"] is False  # two of its last transactions came to nothing that is known
    assert_counted(report(shared_lab), rows(shared_lab) - before)


def test_pgbench_survives_a_failover(make_lab: MakeLab, lab_root: Path) -> None:
    lab = make_lab(standbys=1)
    ports = {node.name: node.port for node in lab.nodes}
    lab.start_load(plan=Plan(kind=Kind.PGBENCH, rate=300, clients=2, readers={EVERY_NODE: 1}))
    first = report(lab)
    assert (first["port"], first["waiting_for_standby"]) == (ports["pg1"], None)
    assert "pgbench, 2 clients, on pg1" in run(lab_root, "load", "status", "--lab", lab.name).stdout
    timed = await_report(lab, lambda now: now["commit_seconds"]["newest"]["commits"])["commit_seconds"]["newest"]
    assert 0 < timed["p50"] <= timed["max"]
    lab.kill("pg1")
    lab.promote("pg2")
    then = await_report(lab, lambda now: now["port"] == ports["pg2"])
    assert then["reconnects"] >= 1
    assert then["unknown"] >= 2
    assert readers(then)["pg1"]["age_seconds"] is None
    assert readers(then)["pg1"]["problem"]
    assert readers(then)["pg2"]["rows_behind"] is None  # its history has no id
    again = await_report(lab, lambda now: now["transactions"] > then["transactions"])
    assert ask(lab, "pg2", "SELECT count(*) FROM pgbench_history") >= again["transactions"] - first["transactions"]
    helper = lab.state.load
    assert helper is not None
    process.send([found for found in [process.find(helper.process)] if found], process.signal.SIGKILL)
    assert wait_until(lambda: not process.is_running(helper.process), 10)
    assert "was killed" in run(lab_root, "load", "status", "--lab", lab.name).stdout

    def is_there() -> bool:
        return any(each.name() == "pgbench" for each in process.working_inside(lab.directory))

    assert wait_until(lambda: not is_there(), 20, pause=0.05)  # nobody hears its progress any more


def test_binaries_without_pgbench_are_named(shared_lab: Lab, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    state.write(tmp_path, replace(shared_lab.state, bindir=str(tmp_path)))
    with pytest.raises(LabError, match=f"{tmp_path} has no pgbench: choose the load single or batch"):
        pgbench_setup.program(Site.of(tmp_path))


@pytest.mark.parametrize(
    ("plan", "complaint"),
    [
        (Plan(rate=0), "more than 0 and at most 100000 rows a second: asked for 0"),
        (Plan(rate=float("nan")), "at most 100000 rows a second: asked for nan"),
        (Plan(kind=Kind.PGBENCH, rate=-1), "at most 100000 transactions a second: asked for -1"),
        (Plan(clients=0), "1 to 50 clients: asked for 0"),
        (Plan(kind=Kind.BATCH, batch=0), "1 to 1000000 rows: asked for 0"),
        (Plan(seconds=0), "more than 0 seconds: asked for 0"),
        (Plan(readers={"pg9": 1}), "no node 'pg9' to read from: it has pg1, pg2"),
        (Plan(readers={EVERY_NODE: 51}), "0 to 50 readers: asked for 51"),
        (Plan(read_rate=0), "asked for 0"),
        (Plan(read_seconds=-1), "a read lasts 0 to 3600 seconds: asked for -1"),
    ],
)
def test_a_wrong_figure_is_refused(plan: Plan, complaint: str) -> None:
    with pytest.raises(LabError, match=re.escape(complaint)):
        plan.check(("pg1", "pg2"))


def test_a_wrong_command_is_one_sentence(shared_lab: Lab, lab_root: Path) -> None:
    for arguments, complaint in (
        (["--lab", "nowhere"], "there is no lab named 'nowhere'"),
        (
            ["--lab", shared_lab.name, "--readers", "pg2=x"],
            "--readers expects a number, or NODE=NUMBER,...: found 'pg2=x'",
        ),
    ):
        refused = run(lab_root, "load", "start", *arguments)
        assert refused.returncode == 2
        assert complaint in one_sentence(refused)
