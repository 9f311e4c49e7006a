"""What promoting a node would lose, on its card: read beside the ticks, and never made up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from contextlib import aclosing

import pytest

from pgreplterm.cluster.connecting.connect import Target, named_target
from pgreplterm.cluster.decoded.commits import Lost
from pgreplterm.cluster.decoded.risk_watch import AtRisk
from pgreplterm.cluster.decoded.tables import TableChanges
from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.cluster.sampling.sampler import Sampler
from pgreplterm.tui.glyphs import UNICODE
from pgreplterm.tui.ink import plain
from pgreplterm.tui.overview.card import card_rows
from pgreplterm.tui.risk import RiskTeller
from pgreplterm.tui.sources import Jumped, Risked, Sampled, sampled
from pgreplterm.tui.view import ClusterView
from pgreplterm.wal.lsn import LSN
from tests.cluster.losing import Book, cut, level, make_tables, write
from tests.cluster.replicas import cluster
from tests.wal.servers import MAJORS

from .snapshots import cluster as pictured
from .snapshots import node

LOST = Lost(LSN(100), LSN(5100), 1204, (), 0, (), 0, 0, 1.0, 2.0)
ORDERS = TableChanges("shop", "orders\x1b[2J", 1150, 0, 0, False, 4000)


def card(at_risk: AtRisk | None, width: int = 44) -> str:
    return plain(card_rows(pictured(), node("s2"), width, UNICODE, at_risk))


def test_the_card_tells_commits_and_rows() -> None:
    text = card(AtRisk("s2", 5000, LOST, (ORDERS,)))
    assert "AT RISK NOW  4.9k" in text
    assert "1,204 commits, 1,150 rows of orders" in text.replace("\n", " ").replace("  ", " ")
    assert "\x1b" not in text


def test_the_card_makes_nothing_of_what_is_unknown() -> None:
    text = card(AtRisk("s2", 5000, None, unknown="expected a role that may read WAL " * 20))
    assert "?" in text.partition("AT RISK NOW")[2]
    assert "nothing" not in text
    assert text.count("expected a role") < 10
    assert "AT RISK" not in card(None)


def test_a_recording_that_jumps_forgets_what_was_at_risk() -> None:
    view = ClusterView("x", 1.0)
    view.take(Risked({"s2": AtRisk("s2", 5000, LOST, (ORDERS,))}))
    assert view.risks["s2"].lost is LOST
    view.take(Jumped(()))
    assert view.risks == {}


async def told(dsns: Mapping[str, str], wanted: int) -> AtRisk:
    """The first word on s1 that tells of so many commits, from the ticks of a running cluster."""
    targets = [named_target(name, dsn) for name, dsn in dsns.items()]
    async with aclosing(sampled(targets, 0.1)) as events:  # type: ignore[type-var]
        async for event in events:
            found = event.risks["s1"] if isinstance(event, Risked) else None
            if found is not None and found.lost is not None and found.lost.commits == wanted:
                return found
    raise AssertionError("the ticks ended")


async def test_the_ticks_bring_it_along(monkeypatch: pytest.MonkeyPatch) -> None:
    made_samplers: list[Sampler] = []

    class Kept(Sampler):
        """A terminal ends with its process; a test closes what it opened."""

        def __init__(self, targets: Sequence[Target], interval: float, *, discover: bool) -> None:
            super().__init__(targets, interval, discover=discover)
            made_samplers.append(self)

    monkeypatch.setattr("pgreplterm.cluster.sampling.sampler.Sampler", Kept)
    with cluster(MAJORS[-1], {"pg1": None, "s1": "pg1"}) as made:
        make_tables(made["pg1"])
        level(made, "pg1", "s1")
        cut(made["s1"])
        write(made["pg1"], Book(), 5)
        dsns = {name: server.dsn for name, server in made.nodes.items()}
        found = await asyncio.wait_for(told(dsns, 5), 90)
        for sampler in made_samplers:
            await sampler.aclose()
        assert sorted(table.rows for table in found.tables if not table.is_system) == [50, 75]


async def test_a_look_that_hangs_holds_up_no_tick() -> None:
    teller = RiskTeller()
    answered = threading.Event()

    class Hanging:
        targets: object = ()

        def look(self, _: ClusterSnapshot) -> Mapping[str, AtRisk]:
            assert answered.wait(30)
            return {"s2": AtRisk("s2", 0, None)}

    teller._watch = Hanging()  # type: ignore[assignment]
    snapshot = Sampled(pictured()).snapshot
    assert [teller.tell(snapshot, ()) for _ in range(50)] == [None] * 50
    answered.set()
    for _ in range(1000):
        if (found := teller.tell(snapshot, ())) is not None:
            assert set(found) == {"s2"}
            return
        await asyncio.sleep(0.01)
    raise AssertionError("what it found was never told")


async def test_a_defect_in_a_look_is_a_line_and_no_traceback() -> None:
    teller = RiskTeller()

    class Broken:
        targets: object = ()

        def look(self, _: ClusterSnapshot) -> Mapping[str, AtRisk]:
            raise ValueError("unexpected")

    teller._watch = Broken()  # type: ignore[assignment]
    snapshot = Sampled(pictured()).snapshot
    assert teller.tell(snapshot, ()) is None
    assert teller._thread is not None
    teller._thread.join()
    assert teller.defect() == "what is at risk could not be read (ValueError: unexpected)"
    assert teller.defect() is None
