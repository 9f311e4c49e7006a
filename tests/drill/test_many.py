"""Switchover after switchover, failover after failover, under load: nothing lost, or exactly what was foretold.

PGREPLTERM_SWITCHOVERS=100 and PGREPLTERM_FAILOVERS=50 are the long runs; they print their figures.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median

import pytest

from pgreplterm.cluster.decoded.wal_range import wal_at
from pgreplterm.drill.report.model import Outcome
from pgreplterm.lab.faults import engine
from pgreplterm.lab.helpers import KEPT_PROBERS
from pgreplterm.lab.journal import Outcome as Told
from pgreplterm.lab.journal import client_of, journal_of, read_journal
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.load.clients import KEPT_ROWS, TRIM_EVERY
from pgreplterm.lab.process import wait_until
from pgreplterm.lab.shape.plan import LabPlan
from pgreplterm.lab.shape.tree import read_shape
from pgreplterm.wal.changes import changes
from pgreplterm.wal.lsn import LSN
from tests.conftest import MakeLab
from tests.drill.old_rows import Row, probe_rows
from tests.drill.running import Drilled, Event, ask, assert_led_by, starts

SWITCHOVERS = int(os.environ.get("PGREPLTERM_SWITCHOVERS", "2"))
FAILOVERS = int(os.environ.get("PGREPLTERM_FAILOVERS", "1"))
MIB = 1 << 20
DEADLINE = 30.0


def test_switchovers_in_a_row_lose_nothing(
    make_lab: MakeLab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = make_lab(standbys=2)
    lab.start_load(200)
    downtimes: list[float] = []
    unknown = acknowledged = 0
    for number in range(SWITCHOVERS):
        drill = Drilled(lab, "switchover", tmp_path / str(number))
        report = drill.run()
        assert report.outcome is Outcome.PASSED, report.reason
        assert (drill.figure("lost"), drill.figure("ids_duplicate"), drill.figure("ids_unexpected")) == (0, 0, 0)
        assert drill.figure("fork_lsn") == drill.figure("shutdown_lsn")
        assert_led_by(lab, primary(lab), number + 2)
        assert_bounded(lab)
        downtimes.append(drill.number("nobody_served_seconds"))
        unknown += int(drill.number("unknown"))
        acknowledged += int(drill.number("acknowledged"))
    with capsys.disabled():
        print(
            f"\n{SWITCHOVERS} switchovers: nobody served for {median(downtimes):.3f} s (most {max(downtimes):.3f} s); "
            f"{acknowledged} writes acknowledged, none lost, none twice, {unknown} unknown"
        )


def test_failovers_in_a_row_lose_what_was_foretold(
    make_lab: MakeLab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = make_lab(plan=LabPlan(read_shape("pg1(pg2, pg3)"), settings={"wal_receiver_timeout": "2s"}))
    lab.start_load(100)
    lost: list[int] = []
    downtimes: list[float] = []
    for number in range(FAILOVERS):
        failover = Failover(lab, tmp_path / str(number), cut_all=number % 4 != 3)
        lost.append(failover.run())
        downtimes.append(failover.drill.number("downtime_median_seconds"))
        assert_led_by(lab, primary(lab), number + 2)
        assert_bounded(lab)
    with capsys.disabled():
        print(
            f"\n{FAILOVERS} failovers: {sum(lost)} acknowledged writes lost as foretold, {median(lost):.0f} each "
            f"(most {max(lost)}); downtime {median(downtimes):.3f} s (most {max(downtimes):.3f} s)"
        )
    assert all(count > 0 for count in lost[:1]), "nothing was written between the cut and the kill"


class Failover:
    """One failover whose standbys' links are cut a moment before the kill; what the old primary's WAL says of it."""

    def __init__(self, lab: Lab, folder: Path, *, cut_all: bool) -> None:
        self.drill = Drilled(lab, "failover", folder)
        self._lab = lab
        self._old = primary(lab)
        standbys = [node.name for node in lab.nodes if node.upstream == self._old]
        self._cut = standbys if cut_all else standbys[:1]
        self._flushed: LSN | None = None
        self._foretold: frozenset[Row] = frozenset()
        self._commits = 0

    def run(self) -> int:
        """How many acknowledged writes are lost; each of them was foretold, and nothing else was."""
        probes = self._lab.state.probes
        report = self.drill.run(self._hear)
        assert report.outcome is Outcome.PASSED, report.reason
        new = primary(self._lab)
        assert new != self._old
        told, lost = self._outcomes(probes, new)
        answered = frozenset(row for row, outcome in told.items() if outcome is Told.OK)
        assert lost == self._foretold & answered, "the lost ids are those of the old primary's WAL"
        assert all(told[row] is Told.UNKNOWN for row in self._foretold - lost), "what else is in it nobody was told of"
        assert self.drill.figure("lost") == len(lost)
        assert self.drill.figure("predicted_commits") == self._commits
        healing = engine.heal(self._lab, None, lambda _: None)
        assert not healing.errors
        return len(lost)

    def _hear(self, event: Event) -> None:
        if event["event"] == "step_done" and event["step"] == "start prober":
            self._cut_links()
        elif event["event"] == "observation" and event["detail"].startswith("received WAL: "):
            self._flushed = LSN.parse(event["detail"].removeprefix("received WAL: ").split(",")[0].split()[1])
        elif starts(event, "rejoin"):
            self._foretell()

    def _cut_links(self) -> None:
        """And let clients go on for a moment."""
        for name in self._cut:
            engine.inject(self._lab, "cut", name, {}, None, lambda _: None)
        at = time.time()
        newest = journal_of(self._lab.directory, self._lab.state.probes)

        def written() -> bool:
            return sum(each.outcome is Told.OK and each.sent_epoch > at for each in read_journal(newest)) >= 10

        assert wait_until(written, DEADLINE)

    def _foretell(self) -> None:
        """The old primary is dead and nothing has touched its files yet."""
        assert self._flushed is not None
        node = self._lab.state.node(self._old)
        source = wal_at(node.data_directory, None)
        past = changes(source, self._flushed, limit=1_000_000)
        self._commits = past.commits
        self._foretold = probe_rows(self._lab, self._old, [each.xid for each in past.committed])

    def _outcomes(self, probes: int, new: str) -> tuple[dict[Row, Told], frozenset[Row]]:
        """What clients were told of each id, and the acknowledged ones that the new primary does not have."""
        told: dict[Row, Told] = {}
        lost: set[Row] = set()
        for client in range(probes + 1, self._lab.state.probes + 1):
            path = journal_of(self._lab.directory, client)
            present = self._lab.probe_ids(new, client_of(path))
            for each in read_journal(path):
                told[client, each.id] = each.outcome
                if each.outcome is Told.OK and each.id not in present:
                    lost.add((client, each.id))
        return told, frozenset(lost)


def primary(lab: Lab) -> str:
    """The node that follows nobody."""
    (name,) = (node.name for node in lab.nodes if node.upstream is None)
    return name


def assert_bounded(lab: Lab) -> None:
    """What the programs of ours write stays small, however many drills there were."""
    name = primary(lab)
    clients = ask(lab, name, "SELECT count(DISTINCT client) FROM pgreplterm_probe")
    rows = ask(lab, name, "SELECT count(*) FROM orders")
    size = ask(lab, name, "SELECT pg_total_relation_size('pgreplterm_probe') + pg_total_relation_size('orders')")
    assert isinstance(clients, int)
    assert isinstance(rows, int)
    assert isinstance(size, int)
    assert clients <= KEPT_PROBERS
    assert len(list(lab.directory.glob("probe-*.tsv"))) <= KEPT_PROBERS
    assert rows <= KEPT_ROWS + 2 * TRIM_EVERY
    assert size < 64 * MIB


def test_the_rows_of_old_clients_go(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgreplterm.lab.helpers.KEPT_PROBERS", 3)
    for _ in range(3):
        lab.start_probers(2)
        lab.stop_probers()
    assert ask(lab, "pg1", "SELECT array_agg(DISTINCT client) FROM pgreplterm_probe") == [4, 5, 6]
    assert sorted(path.name for path in lab.directory.glob("probe-*.tsv")) == [
        "probe-4.tsv",
        "probe-5.tsv",
        "probe-6.tsv",
    ]
