"""Why a standby is behind: the cause from its own words, on made samples and on real standbys that are held up."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from pgreplterm.cli import run
from pgreplterm.cluster.activity import NO_ACTIVITY, Activity, Recovery
from pgreplterm.cluster.connecting.connect import named_target
from pgreplterm.cluster.decoded.behind import Behind, explained
from pgreplterm.cluster.decoded.blockers import Blocker
from pgreplterm.cluster.decoded.why import CauseKind, Look, cause_of, rates, waits_for_query
from pgreplterm.cluster.model import ClusterSnapshot, Gaps
from pgreplterm.errors import ExitCode
from pgreplterm.wal.lsn import LSN
from tests.wal.servers import EDGES

from .replicas import Cluster, cluster
from .samples import END, NOW, standby
from .watching import until, watch

RUNNING = Recovery("not paused", None, None, None, None, 0.0)
NO_GAP = Gaps(0, 0, 0, 0)


def look(to_replay: int = 1_000_000, at: float = 0.0, gaps: Gaps | None = None, **recovery: Any) -> Look:
    """A standby that has that much left to replay."""
    activity = Activity(recovery=replace(RUNNING, **recovery))
    sample = standby("s1", taken_at=NOW + at, replay_lsn=LSN(END - to_replay), activity=activity)
    return Look(sample, gaps)


def test_nothing_known_is_unknown_and_nothing_to_do_is_nothing() -> None:
    assert cause_of([]).kind is CauseKind.UNKNOWN
    assert cause_of([look(0, gaps=NO_GAP)]).kind is CauseKind.NOTHING
    assert cause_of([look(0, gaps=None)]).kind is CauseKind.UNKNOWN
    assert cause_of([look(0, gaps=Gaps(None, None, None, None))]).kind is CauseKind.UNKNOWN
    blind = Look(standby("s1", replay_lsn=None), NO_GAP)
    assert cause_of([blind]).kind is CauseKind.UNKNOWN


def test_a_pause_is_the_cause_whatever_else_is_so() -> None:
    found = cause_of([look(pause_state="paused", wait_event_type="IPC", wait_event="RecoveryPause", apply_delay=5.0)])
    assert (found.kind, found.sentence) == (
        CauseKind.PAUSED,
        "replay is paused; pg_wal_replay_resume() on it lets replay go on",
    )
    assert "asked to pause" in cause_of([look(pause_state="pause requested")]).sentence
    before_14 = Look(replace(look().sample, replay_paused=True, activity=NO_ACTIVITY), None)
    assert cause_of([before_14]).kind is CauseKind.PAUSED


def test_a_delay_is_the_cause_only_while_the_startup_process_waits_for_it() -> None:
    waiting = look(apply_delay=300.0, wait_event_type="Timeout", wait_event="RecoveryApplyDelay")
    assert cause_of([waiting]).sentence == "replay is delayed on purpose: recovery_min_apply_delay is 5 min 0 s"
    assert cause_of([look(apply_delay=300.0)]).kind is not CauseKind.DELAY


@pytest.mark.parametrize(
    ("kind", "event", "word"),
    [
        ("IPC", "RecoveryConflictSnapshot", "snapshot"),
        ("IPC", "RecoveryConflictTablespace", "tablespace"),
        ("BufferPin", "BufferPin", "buffer pin"),
        ("Lock", "relation", "lock"),
    ],
)
def test_a_conflict_names_who_holds_replay_up(kind: str, event: str, word: str) -> None:
    waiting = look(wait_event_type=kind, wait_event=event)
    assert waits_for_query([waiting])
    holder = Blocker(4711, "app", "shop", "idle in transaction", "psql", 34.0, False, "SELECT *\n\x1b[31m FROM t")
    found = cause_of([waiting], [holder])
    assert found.kind is CauseKind.CONFLICT
    assert found.blockers == (holder,)
    assert f"(recovery conflict: {word})" in found.sentence
    assert "pid 4711 (app@shop, idle in transaction, in its transaction for 34 s: SELECT *" in found.sentence
    assert "\x1b" not in found.sentence
    assert "could not be asked" in cause_of([waiting], None).sentence
    assert "ended meanwhile" in cause_of([waiting], []).sentence


def test_a_conflict_says_what_the_server_will_do_about_it() -> None:
    waiting = look(wait_event_type="IPC", wait_event="RecoveryConflictSnapshot")
    for setting, words in (("30000", "cancels it after 30 s"), ("-1", "never cancels it")):
        settings = (("max_standby_streaming_delay", setting),)
        sample = replace(waiting.sample, activity=replace(waiting.sample.activity, settings=settings))
        assert f"max_standby_streaming_delay {words}" in cause_of([Look(sample, None)], []).sentence


def test_the_holder_of_the_lock_goes_before_holders_of_snapshots() -> None:
    snapshot = Blocker(1, "a", "d", "active", "", 900.0, False, "select 1")
    lock = Blocker(2, "b", "d", "active", "", 3.0, True, "select 2")
    found = cause_of([look(wait_event_type="Lock", wait_event="relation")], [snapshot, lock])
    assert found.blockers == (lock,)
    assert "held by pid 2" in found.sentence


def test_waiting_for_io_is_the_cause_when_most_looks_saw_it() -> None:
    reading: dict[str, Any] = {"wait_event_type": "IO", "wait_event": "DataFileRead"}
    looks = [look(at=0.0, **reading), look(900_000, at=0.5), look(800_000, at=1.0, **reading)]
    found = cause_of(looks)
    assert (found.kind, found.sentence) == (
        CauseKind.IO,
        "the startup process waits for I/O (DataFileRead) in 2 of 3 looks",
    )
    rare = [look(at=0.0, **reading), look(900_000, at=0.5), look(800_000, at=1.0)]
    assert cause_of(rare).kind is not CauseKind.IO


def test_the_rates_tell_catching_up_from_falling_behind() -> None:
    assert cause_of([look(1_000_000), look(400_000, at=1.0)]).kind is CauseKind.CATCHING_UP
    first, last = look(1_000_000), look(1_000_000, at=1.0)
    moved = replace(last.sample, flush_lsn=LSN(END + 500_000), replay_lsn=LSN(END - 900_000))
    slower = cause_of([first, Look(moved, None)])
    assert slower.kind is CauseKind.SLOWER
    assert slower.sentence == "replay is no faster than WAL comes: 98 kB a second are replayed, 488 kB a second arrive"
    still = cause_of([first, last])
    assert (still.kind, "stands still" in still.sentence) == (CauseKind.UNKNOWN, True)
    assert cause_of([first]).kind is CauseKind.UNKNOWN
    assert rates([first, look(at=0.1)]) is None


def test_wal_that_has_not_arrived_is_told_from_wal_that_is_not_replayed() -> None:
    far = Gaps(4_000_000, 4_100_000, 4_100_000, 4_100_000)
    assert "the walsender has not sent them yet" in cause_of([look(0, gaps=far)]).sentence
    sent = Gaps(0, 4_100_000, 4_100_000, 4_100_000)
    found = cause_of([look(0, gaps=sent)])
    assert (found.kind, "sent, and not acknowledged" in found.sentence) == (CauseKind.NOT_RECEIVED, True)
    alone = Look(replace(look(0).sample, receiver=None), far)
    assert "it has no walreceiver" in cause_of([alone]).sentence


@pytest.fixture(scope="module", params=EDGES, ids=lambda major: f"pg{major}")
def pair(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A primary and a standby to hold up, with two tables."""
    with cluster(request.param, {"pg1": None, "s1": "pg1"}) as made:
        made["pg1"].sql(
            "create table orders (id int primary key, note text)",
            "create table wide (n int, filler text)",
            "checkpoint",
        )
        yield made


async def seen(pair: Cluster, condition: Callable[[ClusterSnapshot], object], looks: int = 1) -> list[ClusterSnapshot]:
    async with watch(pair) as sampler:
        found = [await until(sampler, condition)]
        async for snapshot in sampler.snapshots():
            found.append(snapshot)
            if len(found) >= looks:
                break
        return found


def explain(pair: Cluster, snapshots: list[ClusterSnapshot]) -> Behind:
    targets = [named_target(name, node.dsn) for name, node in pair.nodes.items()]
    (found,) = explained(snapshots, targets)
    return found


def to_replay(snapshot: ClusterSnapshot) -> int:
    node = snapshot.node("s1")
    assert node is not None
    if node.sample is None or node.sample.flush_lsn is None or node.sample.replay_lsn is None:
        return 0
    return node.sample.flush_lsn - node.sample.replay_lsn


def waits_for(*events: str) -> Callable[[ClusterSnapshot], object]:
    def condition(snapshot: ClusterSnapshot) -> bool:
        node = snapshot.node("s1")
        recovery = node.sample.activity.recovery if node is not None and node.sample is not None else None
        return recovery is not None and recovery.wait_event in events

    return condition


def is_level(snapshot: ClusterSnapshot) -> bool:
    link = snapshot.link_to("s1")
    return link is not None and link.gaps.replay == 0


async def test_paused_and_what_waits_is_named(pair: Cluster) -> None:
    """An UPDATE's worth of WAL for each of two tables and an index, images after the checkpoint included."""
    pair["s1"].sql("select pg_wal_replay_pause()")
    try:
        pair["pg1"].sql(
            "insert into wide select n, repeat('x', 500) from generate_series(1, 2000) n",
            "insert into orders select n, 'note' from generate_series(1, 100) n",
        )
        found = explain(pair, await seen(pair, lambda now: to_replay(now) > 1_000_000))
    finally:
        pair["s1"].sql("select pg_wal_replay_resume()")
    assert found.cause.kind is CauseKind.PAUSED
    assert found.composition is not None
    assert found.start is not None
    assert found.end is not None
    titles = [title for _, title in found.relations]
    assert titles[0] == "postgres: public.wide"
    assert "postgres: public.orders" in titles
    assert "postgres: public.orders_pkey (index of public.orders)" in titles
    assert {each.rmgr_name for each in found.composition.rmgrs} >= {"Heap", "Btree", "Transaction"}
    assert sum(each.bytes for each, _ in found.relations) == found.composition.bytes
    assert 1_000_000 < found.composition.bytes < found.end - found.start


def test_the_command_says_it_in_words_and_as_json(pair: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    pair["s1"].sql("select pg_wal_replay_pause()")
    try:
        pair["pg1"].sql("insert into wide select n, repeat('c', 500) from generate_series(1, 500) n")
        pair["s1"].wait_for("pg_last_wal_receive_lsn() - pg_last_wal_replay_lsn() > 250000")
        command = ["wal", "why", "--seconds", "0.5", *pair.dsns()]
        assert run(command) == ExitCode.FINDING
        text = capsys.readouterr().out
        assert run([*command, "--json", "--standby", "s1"]) == ExitCode.FINDING
        (found,) = json.loads(capsys.readouterr().out)["standbys"]
        assert run([*command, "--standby", "nobody"]) == ExitCode.USAGE
        assert "expected a standby named 'nobody', found s1." in capsys.readouterr().err
    finally:
        pair["s1"].sql("select pg_wal_replay_resume()")
    assert text.startswith("s1: replay is paused; pg_wal_replay_resume() on it lets replay go on\n")
    assert "% of it full-page images" in text
    assert "postgres: public.wide\n" in text
    assert (found["node"], found["cause"]) == ("s1", "paused")
    assert found["relations"][0]["relation"] == "postgres: public.wide"
    assert sum(each["bytes"] for each in found["rmgrs"]) == found["bytes"]
    assert run(["wal", "why", "host=/nonexistent"]) == ExitCode.CANNOT_CONNECT


async def test_level_is_nothing(pair: Cluster) -> None:
    found = explain(pair, await seen(pair, is_level))
    assert found.cause.kind is CauseKind.NOTHING
    assert found.composition is None or not found.composition.records


async def test_delayed_on_purpose(pair: Cluster) -> None:
    pair["s1"].sql("alter system set recovery_min_apply_delay = '1h'", "select pg_reload_conf()")
    try:
        pair["pg1"].sql("insert into orders values (1001, 'later')")
        found = explain(pair, await seen(pair, waits_for("RecoveryApplyDelay")))
    finally:
        pair["s1"].sql("alter system reset recovery_min_apply_delay", "select pg_reload_conf()")
    assert found.cause.sentence == "replay is delayed on purpose: recovery_min_apply_delay is 1 h 0 min"


@contextmanager
def open_query(pair: Cluster, statement: str) -> Iterator[None]:
    """A transaction on the standby that has run a statement and stays open."""
    with pair["s1"].connect() as session:
        session.execute("begin isolation level repeatable read")
        session.execute(statement.encode())
        yield


async def test_a_query_whose_snapshot_still_needs_dead_rows(pair: Cluster) -> None:
    pair["s1"].sql("alter system set max_standby_streaming_delay = -1", "select pg_reload_conf()")
    with open_query(pair, "select count(*) as looked_at_by_a_report from orders"):
        pair["pg1"].sql("delete from orders", "vacuum orders")
        found = explain(pair, await seen(pair, waits_for("RecoveryConflictSnapshot")))
    assert found.cause.kind is CauseKind.CONFLICT
    assert "(recovery conflict: snapshot)" in found.cause.sentence
    assert "max_standby_streaming_delay never cancels it" in found.cause.sentence
    (holder,) = found.cause.blockers
    assert (holder.user, holder.state, holder.holds_lock) == ("postgres", "idle in transaction", False)
    assert "looked_at_by_a_report" in found.cause.sentence


async def test_a_query_that_holds_a_lock(pair: Cluster) -> None:
    pair["s1"].sql("alter system set max_standby_streaming_delay = -1", "select pg_reload_conf()")
    with open_query(pair, "select count(*) as holds_the_lock from wide"):
        change = threading.Thread(target=pair["pg1"].sql, args=("alter table wide add column extra int",))
        change.start()
        change.join()
        found = explain(pair, await seen(pair, waits_for("relation")))
    assert "(recovery conflict: lock)" in found.cause.sentence
    (holder,) = found.cause.blockers
    assert holder.holds_lock
    assert "holds_the_lock" in (holder.query or "")


async def test_cut_off_is_not_received(pair: Cluster) -> None:
    await seen(pair, is_level)
    pair["s1"].sql("alter system set primary_conninfo = 'host=/nonexistent'", "select pg_reload_conf()")
    try:
        pair["s1"].wait_for("count(*) = 0 from pg_stat_wal_receiver")
        pair["pg1"].sql("insert into wide select n, 'y' from generate_series(1, 2000) n")
        found = explain(pair, await seen(pair, lambda now: to_replay(now) == 0, looks=3))
    finally:
        pair["s1"].sql("alter system reset primary_conninfo", "select pg_reload_conf()")
    assert (found.cause.kind, "it has no walreceiver" in found.cause.sentence) == (CauseKind.NOT_RECEIVED, True)
    assert found.composition is None


async def test_a_role_that_may_not_read_wal_still_hears_the_cause(pair: Cluster) -> None:
    pair["s1"].sql("select pg_wal_replay_pause()")
    try:
        pair["pg1"].sql("insert into wide select n, 'z' from generate_series(1, 100) n")
        snapshots = await seen(pair, lambda now: to_replay(now) > 0)
        targets = [named_target(name, node.dsn_as("watcher")) for name, node in pair.nodes.items()]
        (found,) = explained(snapshots, targets)
    finally:
        pair["s1"].sql("select pg_wal_replay_resume()")
    assert found.cause.kind is CauseKind.PAUSED
    assert found.composition is None
    assert found.unread is not None
    assert "pg_read_binary_file" in found.unread
