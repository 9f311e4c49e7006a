"""What is at risk, tick by tick, on a running cluster: the same as a whole read, from a few bytes a look."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pgreplterm.cluster.connecting.connect import Target, named_target
from pgreplterm.cluster.decoded import risk_watch
from pgreplterm.cluster.decoded.risk import assess
from pgreplterm.cluster.decoded.risk_watch import AtRisk, RiskWatch
from pgreplterm.cluster.decoded.risk_words import at_risk_phrase
from pgreplterm.cluster.decoded.wal_range import wal_of
from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.cluster.sampling.sampler import Sampler
from pgreplterm.wal.source import WalSource
from tests.wal.servers import EDGES

from .losing import Book, cut, kill, level, make_tables, promote, write
from .replicas import Cluster, cluster


@pytest.fixture(scope="module", params=EDGES, ids=lambda major: f"pg{major}")
def trio(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with cluster(request.param, {"pg1": None, "s1": "pg1", "s2": "pg1"}) as made:
        make_tables(made["pg1"])
        yield made


@pytest.fixture
def behind(trio: Cluster) -> Iterator[Cluster]:
    """s1 is cut off for the length of a test; everybody had everything before."""
    level(trio, "pg1", "s1", "s2")
    cut(trio["s1"])
    yield trio
    trio["s1"].sql("alter system reset primary_conninfo", "select pg_reload_conf()")


def targets(made: Cluster, role: str = "postgres") -> list[Target]:
    return [named_target(name, node.dsn_as(role)) for name, node in made.nodes.items()]


async def now(made: Cluster) -> ClusterSnapshot:
    async with Sampler(targets(made)) as sampler:
        return await sampler.sample_once()


async def look(watch: RiskWatch, made: Cluster, name: str = "s1") -> AtRisk:
    return watch.look(await now(made))[name]


async def looks(watch: RiskWatch, made: Cluster, name: str = "s1") -> AtRisk:
    """As many looks as it takes to read everything."""
    for _ in range(50):
        found = await look(watch, made, name)
        if found.lost is not None and found.lost.unread is None:
            return found
    raise AssertionError(f"never read whole: {found}")


def figures(found: AtRisk) -> tuple[int, int]:
    assert found.lost is not None, found.unknown
    return found.lost.commits, sum(table.rows for table in found.tables if not table.is_system)


async def test_each_look_adds_what_came_since_and_agrees_with_a_whole_read(behind: Cluster) -> None:
    watch, book = RiskWatch(targets(behind)), Book()
    for round_ in range(1, 6):
        write(behind["pg1"], book, 4, first=round_ * 1000)
        found = await look(watch, behind)
        assert figures(found) == (4 * round_, 100 * round_)
        assert found.lost is not None
        assert {each.xid for each in found.lost.transactions} == set(book.ids)
        assert found.lost.unread is None
        snapshot = await now(behind)
        report = assess(snapshot, targets(behind), candidate="s1")
        whole = report.risks[0].lost
        again = watch.look(snapshot)["s1"].lost
        assert whole is not None
        assert again is not None
        assert (whole.commits, whole.relations, whole.unsure) == (again.commits, again.relations, again.unsure)
    titles = [table.title for table in (await look(watch, behind)).tables if not table.is_system]
    assert titles == ["postgres: public.orders", "postgres: public.items"]


async def test_a_candidate_that_catches_up_is_at_no_risk_and_another_is_told_apart(behind: Cluster) -> None:
    watch = RiskWatch(targets(behind))
    write(behind["pg1"], Book(), 3)
    assert figures(await look(watch, behind)) == (3, 75)
    behind["s1"].sql("alter system reset primary_conninfo", "select pg_reload_conf()")
    level(behind, "pg1", "s1", "s2")
    found = await look(watch, behind)
    assert found.lost is not None
    assert found.lost.commits == 0
    write(behind["pg1"], Book(), 2)
    level(behind, "pg1", "s1", "s2")
    found = await look(watch, behind, "s2")
    assert found.lost is not None
    assert found.lost.is_nothing


async def test_a_long_transaction_counts_with_the_rows_of_earlier_looks(behind: Cluster) -> None:
    watch = RiskWatch(targets(behind))
    with behind["pg1"].connect() as session:
        session.execute("begin")
        session.execute("insert into orders select n, 'long' from generate_series(1, 40) n")
        session.execute("savepoint s")
        session.execute("insert into items select n, 'nested' from generate_series(1, 5) n")
        write(behind["pg1"], Book(), 1)
        assert figures(await look(watch, behind)) == (1, 25)
        write(behind["pg1"], Book(), 1)
        assert figures(await look(watch, behind)) == (2, 50)
        session.execute("insert into orders values (41, 'long')")
        session.execute("commit")
    found = await look(watch, behind)
    assert figures(found) == (3, 50 + 46)
    assert found.lost is not None
    assert found.lost.is_exact


async def test_few_bytes_a_look_say_at_least_until_all_is_read(behind: Cluster) -> None:
    write(behind["pg1"], Book(), 40)
    watch = RiskWatch(targets(behind), bytes_a_look=20_000)
    counts = []
    for _ in range(100):
        found = await look(watch, behind)
        assert found.lost is not None
        counts.append(found.lost.commits)
        if found.lost.unread is None:
            break
        assert not found.lost.is_nothing
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == 40


async def test_more_commits_than_are_kept_are_a_lower_bound(behind: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(risk_watch, "KEPT", 5)
    watch = RiskWatch(targets(behind))
    write(behind["pg1"], Book(), 6)
    await look(watch, behind)
    write(behind["pg1"], Book(), 6)
    found = await look(watch, behind)
    assert found.lost is not None
    assert found.lost.commits == 6
    assert found.lost.unread is not None


async def test_an_idle_look_reads_nothing(behind: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = RiskWatch(targets(behind))
    write(behind["pg1"], Book(), 1)
    snapshot = await now(behind)
    first = watch.look(snapshot)["s1"]

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it read again")

    monkeypatch.setattr(risk_watch, "changes", never)
    assert watch.look(snapshot)["s1"] == first


async def test_what_may_not_be_read_is_unknown_with_the_reason(behind: Cluster) -> None:
    write(behind["pg1"], Book(), 1)
    watch = RiskWatch(targets(behind, "watcher"))
    found = await look(watch, behind)
    assert found.lost is None
    assert (found.gap or 0) > 0
    assert "pg_read_binary_file" in (found.unknown or "")
    assert at_risk_phrase(found) == "?"


async def test_a_refusal_is_not_asked_for_again_at_every_look(behind: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """And once the right is granted, it is found out."""
    write(behind["pg1"], Book(), 1)
    watch = RiskWatch(targets(behind, "watcher"))
    await look(watch, behind)
    asked: list[Target] = []

    def asking(target: Target, timeline: int | None) -> WalSource:
        asked.append(target)
        return wal_of(target, timeline)

    monkeypatch.setattr(risk_watch, "wal_of", asking)
    assert (await look(watch, behind)).unknown is not None
    assert asked == []
    grant = "execute on function pg_read_binary_file(text, bigint, bigint, boolean)"
    behind["pg1"].sql(f"grant {grant} to watcher")
    try:
        snapshot = await now(behind)
        found = [watch.look(snapshot)["s1"] for _ in range(12)]
    finally:
        behind["pg1"].sql(f"revoke {grant} from watcher")
    assert figures(found[-1]) == (2, 25), "the grant is a commit, too"


async def test_wal_that_every_candidate_has_by_now_is_left_out(
    behind: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = RiskWatch(targets(behind), bytes_a_look=30_000)
    write(behind["pg1"], Book(), 1)
    await look(watch, behind)
    behind["s1"].sql("alter system reset primary_conninfo", "select pg_reload_conf()")
    behind["pg1"].sql("create table if not exists much as select n, repeat('m', 100) from generate_series(1, 30000) n")
    level(behind, "pg1", "s1", "s2")
    cut(behind["s1"])
    write(behind["pg1"], Book(), 2)
    end = behind["pg1"].sql("select pg_current_wal_lsn()::text")
    found = await look(watch, behind)
    assert found.lost is not None
    assert figures(found) == (2, 50), f"one look does for what lies behind three megabytes, at {end}"


async def test_a_switch_of_segments_and_a_promotion_are_followed() -> None:
    with cluster(EDGES[-1], {"pg1": None, "s1": "pg1", "s2": "pg1"}) as made:
        make_tables(made["pg1"])
        level(made, "pg1", "s1", "s2")
        cut(made["s1"])
        watch = RiskWatch(targets(made))
        for round_ in range(1, 4):
            write(made["pg1"], Book(), 2, first=100 * round_)
            made["pg1"].sql("select pg_switch_wal()")
            assert figures(await looks(watch, made)) == (2 * round_, 50 * round_)
        write(made["pg1"], Book(), 1)
        level(made, "pg1", "s2")
        kill(made["pg1"])
        gone = await look(watch, made)
        assert (gone.lost, gone.unknown) == (None, "no primary answers")
        promote(made["s2"])
        write(made["s2"], Book(), 1)
        assert figures(await looks(watch, made)) == (8, 200)
