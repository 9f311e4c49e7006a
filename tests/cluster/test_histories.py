"""What is read beside the ticks: once, by whichever way is open, and never in a tick's way."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pgreplterm.cli import run
from pgreplterm.cluster.connecting.connect import named_target, targets
from pgreplterm.cluster.forks.beginnings import beginning, places
from pgreplterm.cluster.forks.errand import Errand
from pgreplterm.cluster.forks.grounds import APPLICATION_NAME, Beginning
from pgreplterm.cluster.model import ClusterSnapshot, NodeSample
from pgreplterm.cluster.sampling.sampler import Sampler
from pgreplterm.wal.timeline import TimelineHistory
from tests.wal.servers import EDGES

from .replicas import Cluster, Node, cluster
from .watching import until, watch

ASKED = "received replication command: TIMELINE_HISTORY 2"


CHAIN = {"pg1": None, "s1": "pg1", "s2": "s1"}


@pytest.fixture(scope="module", params=EDGES, ids=lambda major: f"pg{major}")
def promoted(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A primary on timeline 2 and a standby that followed it there."""
    with cluster(request.param, CHAIN) as made:
        promote(made)
        yield made


def promote(made: Cluster) -> None:
    """Let s1 take over; every session and replication command is logged there."""
    made["pg1"].sql("create role seer login replication in role pg_monitor")
    made["pg1"].sql("create role reader login in role pg_monitor")
    made["pg1"].sql("grant execute on function pg_read_binary_file(text, bigint, bigint, boolean) to reader")
    end = made["pg1"].sql("select pg_current_wal_lsn()")
    made["s2"].wait_for(f"pg_last_wal_replay_lsn() >= '{end}'")
    made["pg1"].stop(signal.SIGQUIT)
    del made.nodes["pg1"]
    made["s1"].configure(log_connections="on", log_replication_commands="on")
    assert made["s1"].sql("select pg_promote()")
    made["s1"].sql("select pg_reload_conf()")
    made["s2"].wait_for("received_tli = 2 from pg_stat_wal_receiver")


def sample(snapshot: ClusterSnapshot, name: str) -> NodeSample:
    found = snapshot.node(name)
    assert found is not None
    assert found.sample is not None
    return found.sample


def logged(node: Node, words: str) -> int:
    return Path(node.folder / "log").read_text(errors="replace").count(words)


async def test_the_first_look_is_whole_over_sql(promoted: Cluster) -> None:
    """Histories, and the beginning of the timeline both are on, with its one CRC."""
    async with watch(promoted, "reader") as sampler:
        snapshot = await sampler.sample_once()
    one, other = sample(snapshot, "s1"), sample(snapshot, "s2")
    assert one.history == other.history
    assert one.history is not None
    (here,), (there,) = one.evidence.beginnings, other.evidence.beginnings
    assert here == there
    assert (here.timeline, here.switchpoint) == (2, one.history.ancestors[-1].switchpoint)


async def test_over_replication_once_for_all_ticks(promoted: Cluster) -> None:
    before = logged(promoted["s1"], ASKED)
    async with watch(promoted, "seer") as sampler:
        first = await sampler.sample_once()
        ticks = 0
        async for snapshot in sampler.snapshots():
            ticks += 1
            assert sample(snapshot, "s1").history is not None
            assert all(
                link.sender is None or link.sender.application_name != APPLICATION_NAME for link in snapshot.links
            )
            if ticks == 15:
                break
    text = promoted["s1"].sql("select pg_read_file('pg_wal/00000002.history')")
    history = sample(first, "s1").history
    assert history is not None
    assert (history.timeline, history.ancestors[0].reason) == (2, text.split("\t")[2].strip())
    assert not [one for one in sample(first, "s1").missing_privileges if "history" in one.hidden]
    assert logged(promoted["s1"], ASKED) == before + 1


async def test_a_refusal_is_remembered_and_named(promoted: Cluster) -> None:
    refused = ("must be superuser or replication role", "permission denied to start WAL sender")
    before = sum(logged(promoted["s1"], words) for words in refused)
    async with watch(promoted, "watcher") as sampler:
        first = await sampler.sample_once()
        ticks = 0
        async for _ in sampler.snapshots():
            ticks += 1
            if ticks == 15:
                break
    assert sample(first, "s1").history is None
    (hidden,) = [one for one in sample(first, "s1").missing_privileges if "history" in one.hidden]
    assert hidden.hidden == "timeline history"
    assert hidden.privilege.startswith("EXECUTE on function pg_read_binary_file, or REPLICATION")
    assert sum(logged(promoted["s1"], words) for words in refused) == before + 1


async def test_nothing_of_an_errand_is_left(promoted: Cluster) -> None:
    async with watch(promoted, "seer") as sampler:
        await sampler.sample_once()
        promoted["s1"].wait_for(f"count(*) = 0 from pg_stat_activity where application_name = '{APPLICATION_NAME}'")


async def test_a_beginning_that_is_not_there_yet_is_looked_for_again(promoted: Cluster) -> None:
    """A standby is on the new timeline a moment before it has the WAL with which that began."""
    file = next(promoted["s2"].wal.glob("00000002" + "[0-9A-F]" * 16))
    away = file.with_name("away")
    file.rename(away)
    try:
        async with watch(promoted, "reader") as sampler:
            seen = await until(sampler, lambda now: sample(now, "s2").evidence.hidden)
            assert (sample(seen, "s2").evidence.beginnings, file.name in str(sample(seen, "s2").evidence.hidden)) == (
                (), True,
            )  # fmt: skip
            away.rename(file)
            seen = await until(sampler, lambda now: not sample(now, "s2").evidence.hidden)
            assert sample(seen, "s2").evidence.beginnings == sample(seen, "s1").evidence.beginnings != ()
    finally:
        if away.exists():
            away.rename(file)


async def test_a_restart_has_everything_read_again(promoted: Cluster) -> None:
    """A node that was rebuilt meanwhile may have another history under the same number."""
    node = promoted["s2"]
    file = node.wal / "00000002.history"
    async with watch(promoted, "seer") as sampler:
        await until(sampler, lambda now: sample(now, "s2").history is not None)
        node.stop()
        text = file.read_text()
        file.write_text(text.replace("no recovery target specified", "a different one"))
        node.start()
        try:
            seen = await until(sampler, lambda now: "different" in repr(sample(now, "s2").history))
        finally:
            file.write_text(text)
    assert "different" not in repr(sample(seen, "s1").history)


def test_a_hostile_reason_is_shown_and_does_nothing(promoted: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    file = promoted["s1"].wal / "00000002.history"
    text = file.read_text()
    file.write_text(text.replace("no recovery target specified", "\x1b[31m[red]evil[/red]\x07\u202e"))
    try:
        run(["timeline", promoted["s1"].dsn])
        run(["timeline", promoted["s1"].dsn_as("seer")])
    finally:
        file.write_text(text)
    out = capsys.readouterr().out
    assert out.count("[red]evil[/red]") == 2
    assert not {"\x1b", "\x07", "\u202e"} & set(out)


@pytest.fixture
async def silent_port() -> AsyncIterator[int]:
    """A peer that accepts and never says a word."""
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in held:
        writer.transport.abort()


async def test_an_errand_ends_at_its_deadline(silent_port: int) -> None:
    (target,) = targets([f"host=127.0.0.1 port={silent_port}"])
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(TimeoutError):
        async with Errand(target, started + 0.3, replication=True):
            pass
    assert loop.time() - started < 2


async def test_a_server_that_freezes_in_an_errand_holds_nothing_up(promoted: Cluster) -> None:
    """The errand is on its way when the server freezes: ticks go on, and so does the end."""
    node = promoted["s1"]
    target = named_target("s1", node.dsn)
    deadline = asyncio.get_running_loop().time() + 0.5
    async with Errand(target, deadline) as errand:
        node.send(signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError):
                await errand.rows("SELECT 1")
        finally:
            node.send(signal.SIGCONT)


async def test_ticks_are_on_time_while_errands_run(promoted: Cluster) -> None:
    named = [named_target(name, node.dsn_as("seer")) for name, node in promoted.nodes.items()]
    ticks: list[float] = []
    async with Sampler(named, interval=0.2) as sampler:
        async for _ in sampler.snapshots():
            ticks.append(time.monotonic())
            if len(ticks) == 8:
                break
    assert max(after - before for before, after in pairwise(ticks)) < 0.6


def test_the_beginning_is_found_where_a_header_crosses_a_page() -> None:
    """Pages made by hand: a record whose 24-byte header is cut by a page boundary."""
    from pgreplterm.wal.lsn import LSN
    from pgreplterm.wal.timeline import TimelineSwitch

    at, size, magic = LSN(0x2000000 + 8192 - 8), 16 << 20, 0xD118
    (place,) = places(TimelineHistory(2, (TimelineSwitch(1, at, ""),)), size)
    assert (place.segment, place.offset) == ("000000020000000000000002", 0)
    record = (50).to_bytes(4, "little") + bytes(16) + (0xC0FFEE).to_bytes(4, "little")
    long_header = magic.to_bytes(2, "little") + (2).to_bytes(2, "little") + (1).to_bytes(4, "little")
    long_header += (0x2000000).to_bytes(8, "little") + bytes(24)
    second = magic.to_bytes(2, "little") + (1).to_bytes(2, "little") + (2).to_bytes(4, "little")
    second += (0x2002000).to_bytes(8, "little") + bytes(8)
    pages = long_header.ljust(8192 - 8, b"\0") + record[:8] + second + record[8:]
    assert beginning(place, pages.ljust(16384, b"\0")) == Beginning(2, at, 0xC0FFEE)
    assert beginning(place, pages.replace((0x2002000).to_bytes(8, "little"), bytes(8))) is None
    assert beginning(place, bytes(16384)) is None
    assert beginning(place, pages[:8192]) is None
