"""Engines under test: started, awaited, killed; and whether a lab is whole afterwards."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from pgreplterm import cli
from pgreplterm.drill.engine import identity
from pgreplterm.drill.engine.follow import Follower
from pgreplterm.drill.engine.start import start
from pgreplterm.drill.engine.tail import Tail
from pgreplterm.drill.procedure import Scene
from pgreplterm.drill.procedures import find
from pgreplterm.drill.request import Kind, Request
from pgreplterm.drill.runs import Run
from pgreplterm.lab import process
from pgreplterm.lab.journal import Outcome, journal_of, read_journal
from pgreplterm.lab.lab import Lab
from tests.faults.harness import primary, standing

Event = dict[str, Any]
DEADLINE = 60.0


def begin(lab: Lab, kind: str, base: Path, stepwise: bool = False) -> Run:
    """A drill in an engine of its own."""
    return start(Request(Kind.DRILL, kind, lab.name, stepwise=stepwise), base)


def steps_of(lab: Lab, kind: str) -> list[str]:
    """The names of a drill's steps."""
    from pgreplterm.drill.look import look

    return [step.name for step in find(kind)(Scene(lab, look(lab), {})).steps()]


def await_event(run: Run, wanted: Callable[[Event], bool]) -> Event:
    """The first event that is wanted; fails at the end of the run."""
    follower = Follower(run)
    seen: list[Event] = []
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        is_last = follower.over
        for event in follower.news():
            seen.append(event)
            if wanted(event):
                return event
        if is_last:
            break
        time.sleep(0.001)
    raise AssertionError(f"the event never came; the last ones: {seen[-5:]}")


def starts(step: str) -> Callable[[Event], bool]:
    return lambda event: event["event"] == "step_started" and event["step"] == step


def named(*names: str) -> Callable[[Event], bool]:
    return lambda event: event["event"] in names


def await_end(run: Run) -> Event:
    """Its last word, or ``interrupted``."""
    return await_event(run, named("done", "failed", "interrupted"))


def events_of(run: Run) -> list[Event]:
    return Tail(run.journal).news()


def kill(run: Run) -> None:
    """SIGKILL to the engine, and wait until it is gone."""
    found = identity.read(run)
    assert found is not None
    engine = process.find(found.process)
    if engine is not None:
        process.send([engine], signal.SIGKILL)
        assert not process.await_gone([engine], DEADLINE)


def heal(lab: Lab) -> None:
    """``drill heal``, in this process."""
    assert cli.run(["drill", "heal", "--lab", lab.name]) == 0


def timeline_of(lab: Lab) -> int:
    """The primary's."""
    with psycopg.connect(lab.dsn(primary(lab)), autocommit=True) as link:
        row = link.execute("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)").fetchone()
    assert row is not None
    return int(row[0], 16)


@dataclass(frozen=True, slots=True)
class Clients:
    """What the clients of all probers of a lab so far were told: ids by client."""

    acknowledged: dict[int, frozenset[int]]

    @classmethod
    def of(cls, lab: Lab, after: int = 0) -> Clients:
        """Those of the probers past that number."""
        found = {}
        for client in range(after + 1, lab.state.probes + 1):
            path = journal_of(lab.directory, client)
            attempts = read_journal(path) if path.exists() else ()
            found[client] = frozenset(each.id for each in attempts if each.outcome is Outcome.OK)
        return cls(found)

    def missing(self, lab: Lab) -> dict[int, list[int]]:
        """What was acknowledged and is not on the primary."""
        name = primary(lab)
        gone = {client: sorted(ids - lab.probe_ids(name, client)) for client, ids in self.acknowledged.items() if ids}
        return {client: ids for client, ids in gone.items() if ids}


def assert_whole(lab: Lab) -> None:
    """One primary, everybody streaming from it with nothing left to replay, the same rows on each, no helper left."""
    now = standing(lab)  # waits until everybody streams and has replayed everything
    assert set(now.nodes) == {node.name for node in lab.nodes}
    assert [name for name, node in now.nodes.items() if not node.in_recovery] == [primary(lab)]
    tables = [node.tables for node in now.nodes.values()]
    assert all(each == tables[0] for each in tables), now.nodes
    followers = {node.name: {each.name for each in lab.nodes if each.upstream == node.name} for node in lab.nodes}
    assert now.edges == {f"{name}<-{above}" for above, names in followers.items() for name in names}
    assert {name: {slot[0] for slot in node.slots} for name, node in now.nodes.items()} == followers
    assert now.helpers == ("pgreplterm.lab.relay",)
    assert lab.state.prober is None
    assert not list(lab.directory.glob("faults/*.json*"))


def lost_by_report(run: Run, lab: Lab) -> int:
    """The commits that the run says only the old primary had, in the list it kept."""
    places: Sequence[Path] = (run.diverged, *lab.directory.glob(f"{run.name}*.json"))
    return sum(int(json.loads(place.read_text())["lost"]["commits"]) for place in places if place.exists())
