"""From one DSN to the cluster: who is found, by what evidence, and what a guess may and may not do."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import pairwise

import pytest

from pgreplterm.cli import run
from pgreplterm.cluster.connecting.connect import Target, targets
from pgreplterm.cluster.joining.join import join
from pgreplterm.cluster.joining.observe import Observation
from pgreplterm.cluster.model import ClusterSnapshot, LinkKind, NodeState
from pgreplterm.cluster.sampling.discover import AT_ONCE, Discovery
from pgreplterm.cluster.sampling.guesses import Guess, confirms, guesses
from pgreplterm.cluster.sampling.sampler import Sampler

from .replicas import Cluster, cluster
from .samples import NOW, primary, receiver, seen, sender, slot, standby
from .tcp import Tcp, free_port, tcp_cluster
from .watching import states, until


def upstream(snapshot: ClusterSnapshot, name: str) -> str | None:
    node = snapshot.node(name)
    return node.upstream if node is not None else None


def found(snapshot: ClusterSnapshot) -> dict[str, bool]:
    return {node.name: node.discovered for node in snapshot.nodes}


class TestUpwards:
    """A standby says where it streams from."""

    async def test_a_leaf_leads_to_the_primary(self, calm: Cluster) -> None:
        """All through sockets. What streams from the primary over a socket of another folder is not found."""
        async with Sampler(targets([calm["leaf"].dsn_as("watcher")]), discover=True) as sampler:
            snapshot = await sampler.sample_once()
        assert found(snapshot) == {"pg1": True, "s1": True, "leaf": False}
        assert {link.downstream: link.upstream for link in snapshot.links} == {"s1": "pg1", "leaf": "s1", "s2": "pg1"}
        assert snapshot.node("s2") is None

    async def test_a_watch_finds_it_within_ticks(self, calm: Cluster) -> None:
        async with Sampler(targets([calm["leaf"].dsn]), interval=0.1, discover=True) as sampler:
            first = await anext(sampler.snapshots())
            assert found(first) == {"leaf": False}
            await until(sampler, lambda snapshot: {"pg1", "s1"} <= set(found(snapshot)))

    async def test_without_being_asked_to_nothing_is_searched(self, calm: Cluster) -> None:
        async with Sampler(targets([calm["leaf"].dsn])) as sampler:
            assert found(await sampler.sample_once()) == {"leaf": False}

    def test_settings_stand_in_for_a_walreceiver_that_is_down(self) -> None:
        lost = standby("s1", receiver=None, primary_conninfo_host="pg1", primary_conninfo_port=6432)
        (guess,) = guesses(join([seen(lost)], NOW))
        assert guess.address == "pg1:6432"
        assert confirms(guess, primary(slots=(slot("s1", active=False),)), (lost,))
        assert not confirms(guess, primary(slots=(slot("s2"),)), (lost,))

    def test_the_server_at_that_address_must_list_the_standby(self) -> None:
        below = standby("s1", receiver=receiver("s1", sender_host="10.0.0.1", sender_port=5432))
        (guess,) = guesses(join([seen(below)], NOW))
        assert guess.address == "10.0.0.1:5432"
        assert confirms(guess, primary(senders=(sender("s1"),)), (below,))
        assert not confirms(guess, primary(senders=(sender("s2"),)), (below,))
        assert not confirms(guess, primary(senders=()), (below,))
        assert not confirms(guess, primary(senders=(sender("s1"),), system_identifier=1), (below,))

    def test_a_loopback_address_is_that_of_the_standbys_own_machine(self) -> None:
        def guessed(address: str, **changes: object) -> list[str]:
            below = standby("s1", receiver=receiver("s1", sender_host="127.0.0.1", sender_port=5433), **changes)
            return [guess.address for guess in guesses(join([Observation(address, address, below)], NOW))]

        assert guessed("db1:5432") == ["db1:5433"]
        assert guessed("127.0.0.1:5432") == ["127.0.0.1:5433"]
        assert guessed("127.0.0.1:15432") == [], "behind a tunnel or a published port"
        assert guessed("127.0.0.1:5432", server_addr="172.17.0.2") == []

    def test_a_socket_is_asked_only_on_this_machine(self) -> None:
        below = standby("s1", receiver=receiver("s1", sender_host="/run/pg", sender_port=5432))
        assert list(guesses(join([Observation("db1:5432", "db1:5432", below)], NOW))) == []


class TestDownwards:
    """A walsender shows where its standby is, not where that listens."""

    async def test_ports_in_use_elsewhere_are_tried(self, sited: Tcp) -> None:
        async with Sampler(targets([sited.dsn("s1")]), discover=True) as sampler:
            snapshot = await sampler.sample_once()
        assert found(snapshot) == {"pg1": True, "s1": False, "s2": True}
        assert {link.downstream: link.upstream for link in snapshot.links} == {"s1": "pg1", "s2": "pg1"}
        assert all(link.sender is not None and link.receiver is not None for link in snapshot.links)

    async def test_a_relay_leads_to_its_server_which_is_no_second_node(self, sited: Tcp) -> None:
        """s1 says 127.0.0.1 and the port of a relay: behind that is the primary, whether or not it is watched."""
        async with relay(*sited.sites["pg1"]) as port:
            sited.send("s1", port)
            try:
                through = f"status = 'streaming' and sender_port = {port} from pg_stat_wal_receiver"
                await asyncio.to_thread(sited.cluster["s1"].wait_for, through)
                async with Sampler(targets([sited.dsn("s1")]), discover=True) as sampler:
                    alone = await sampler.sample_once()
                async with Sampler(targets([sited.dsn("s1"), sited.dsn("pg1")]), discover=True) as sampler:
                    both = await sampler.sample_once()
            finally:
                sited.heal("s1")
        assert (found(alone)["pg1"], alone.node("pg1").address) == (True, f"127.0.0.1:{port}")  # type: ignore[union-attr]
        assert found(both) == {"pg1": False, "s1": False, "s2": True}
        assert upstream(alone, "s1") == upstream(both, "s1") == "pg1"

    async def test_a_stranger_at_the_address_is_dropped(self, sited: Tcp) -> None:
        with cluster(15, {"other": None}) as strangers:
            stranger, port = strangers["other"], free_port()
            stranger.stop()
            stranger.port = port
            stranger.configure(listen_addresses="127.0.0.1", port=port)
            stranger.start()
            sited.misdirect("s1", port)
            try:
                async with Sampler(targets([sited.dsn("s1")]), discover=True) as sampler:
                    assert found(await sampler.sample_once()) == {"s1": False}
                stranger.wait_for("count(*) = 0 from pg_stat_activity where application_name = 'pgreplterm'")
            finally:
                sited.heal("s1")

    async def test_an_address_that_refuses_is_no_node_that_is_down(self, sited: Tcp) -> None:
        sited.misdirect("s1", free_port())
        try:
            async with Sampler(targets([sited.dsn("s1")]), discover=True) as sampler:
                assert found(await sampler.sample_once()) == {"s1": False}
        finally:
            sited.heal("s1")

    async def test_what_was_found_and_then_dies_is_down(self, sited: Tcp) -> None:
        async with Sampler(targets([sited.dsn("s1")]), interval=0.1, discover=True) as sampler:
            await until(sampler, lambda snapshot: len(found(snapshot)) == 3)
            sited.cluster["s2"].stop()
            try:
                lost = await until(sampler, lambda snapshot: states(snapshot)["s2"] is NodeState.DOWN)
            finally:
                sited.cluster["s2"].start()
                sited.cluster["s2"].wait_for("status = 'streaming' from pg_stat_wal_receiver")
        assert found(lost)["s2"]

    async def test_what_cannot_be_found_stays_an_unwatched_downstream(self, sited: Tcp) -> None:
        async with Sampler(targets([sited.dsn("pg1")]), discover=True) as sampler:
            snapshot = await sampler.sample_once()
        assert found(snapshot) == {"pg1": False}
        assert {link.downstream for link in snapshot.links} == {"s1", "s2"}

    def test_the_gateway_of_a_standby_behind_nat_is_not_the_standby(self) -> None:
        """At 172.17.0.1 and the same port there is a published standby of the same cluster: another one."""
        above = primary(senders=(sender("s1", client_addr="172.17.0.1"),))
        (guess, *_) = guesses(join([seen(above)], NOW))
        assert guess.address == "172.17.0.1:5432"
        assert confirms(guess, standby("s1"), (above,))
        assert not confirms(guess, standby("s2"), (above,))
        assert not confirms(guess, primary("s1"), (above,))
        assert not confirms(guess, standby("s1", receiver=None), (above,))

    def test_a_common_name_needs_the_addresses_of_both_ends(self) -> None:
        row = sender("walreceiver", slot_name=None, client_addr="10.0.0.2")
        above = primary(senders=(row,))
        (guess, *_) = guesses(join([seen(above)], NOW))
        common: dict[str, object] = {
            "cluster_name": "",
            "primary_conninfo_application_name": None,
            "primary_slot_name": None,
        }
        asking = receiver(None, sender_host="primary", sender_port=5432)
        assert confirms(guess, standby("x", receiver=asking, server_addr="10.0.0.2", **common), (above,))
        assert not confirms(guess, standby("x", receiver=asking, server_addr="10.0.0.3", **common), (above,))
        elsewhere = replace(asking, sender_port=6000)
        assert not confirms(guess, standby("x", receiver=elsewhere, server_addr="10.0.0.2", **common), (above,))

    def test_what_is_no_standby_is_not_looked_for(self) -> None:
        rows = (
            sender("pg_receivewal", slot_name=None),
            sender("b", state="backup"),
            sender("sub", slot_name="sub"),
            sender("hidden", client_addr=None, client_port=None),
        )
        snapshot = join([seen(primary(senders=rows, slots=(slot("sub", kind="logical"),)))], NOW)
        assert list(guesses(snapshot)) == []
        assert sum(link.kind is not LinkKind.STANDBY for link in snapshot.links) == 3


class TestAsking:
    """A guess costs nobody anything."""

    async def test_few_at_a_time_and_a_dead_one_not_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pgreplterm.cluster.sampling.discover.ANSWER_WITHIN", 0.5)
        async with deaf_server() as (port, greetings):
            lost = [
                standby(f"s{n}", receiver=receiver(f"s{n}", sender_host=f"127.0.0.{n}", sender_port=port), port=n)
                for n in range(1, 10)
            ]
            addresses = [f"127.0.0.{200 + n}:{n}" for n in range(1, 10)]
            snapshot = join([Observation(at, at, one) for at, one in zip(addresses, lost, strict=True)], NOW)
            search = Discovery([Target(at, at, "host=127.0.0.1 connect_timeout=1 sslmode=disable") for at in addresses])
            started = time.monotonic()
            search.consider(snapshot)
            search.consider(snapshot)
            assert time.monotonic() - started < 0.2
            await eventually(lambda: len(greetings) == AT_ONCE)
            search.consider(snapshot)
            await asyncio.sleep(0.1)
            assert len(greetings) == AT_ONCE
            assert await search.settle(20) is False
            assert len(greetings) == len(lost)
            search.consider(snapshot)
            assert await search.settle(1) is False
            assert len(greetings) == len(lost)

    async def test_ticks_stay_on_time_while_guesses_hang(self, sited: Tcp) -> None:
        async with deaf_server() as (port, greetings):
            sited.misdirect("s1", port)
            try:
                async with Sampler(targets([sited.dsn("s1")]), interval=0.1, discover=True) as sampler:
                    ticks = [time.monotonic()]
                    async for snapshot in sampler.snapshots():
                        ticks.append(time.monotonic())
                        assert found(snapshot) == {"s1": False}
                        if greetings and len(ticks) > 10:
                            break
                    started = time.monotonic()
                assert time.monotonic() - started < 0.5
            finally:
                sited.heal("s1")
        gaps = sorted(after - before for before, after in pairwise(ticks))
        assert gaps[len(gaps) // 2] < 0.3

    async def test_the_password_is_not_told_in_the_clear(self) -> None:
        heard: list[bytes] = []

        async def ask_for_password(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(4096)
            writer.write(b"R" + (8).to_bytes(4) + (3).to_bytes(4))
            heard.append(await reader.read(4096))
            writer.close()

        server = await asyncio.start_server(ask_for_password, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        below = standby("s1", receiver=receiver("s1", sender_host="127.0.0.1", sender_port=port), port=1)
        at = "127.0.0.1:1"
        search = Discovery([Target(at, at, "host=127.0.0.1 user=u password=hunter2 sslmode=disable")])
        search.consider(join([Observation(at, at, below)], NOW))
        assert await search.settle(10) is False
        server.close()
        await eventually(lambda: heard)
        assert not any(b"hunter2" in each for each in heard)

    async def test_one_server_at_two_addresses_is_one_node(self, sited: Tcp) -> None:
        """s1 reaches the primary at 127.0.0.1; it is watched at 127.0.0.3 already."""
        dsns = [sited.dsn("s1"), sited.dsn("pg1").replace("127.0.0.1", "127.0.0.3")]
        async with Sampler(targets(dsns), discover=True) as sampler:
            snapshot = await sampler.sample_once()
        assert found(snapshot) == {"pg1": False, "s1": False, "s2": True}


class TestStatus:
    """The option."""

    def test_status_shows_the_whole_cluster_of_one_dsn(self, calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
        run(["status", "--json", calm["leaf"].dsn])
        document = json.loads(capsys.readouterr().out)
        assert [node["name"] for node in document["nodes"]] == ["pg1", "s1", "leaf"]

    def test_or_only_what_was_named(self, calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
        run(["status", "--json", "--no-discover", calm["leaf"].dsn])
        document = json.loads(capsys.readouterr().out)
        assert [node["name"] for node in document["nodes"]] == ["leaf"]

    def test_what_was_found_keeps_the_password_to_itself(
        self, calm: Cluster, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run(["status", "--json", f"{calm['leaf'].dsn} password=open-sesame"])
        said = capsys.readouterr()
        assert "pg1" in said.out
        assert not re.search("open-sesame|hunter2", said.out + said.err)


@pytest.fixture(scope="module")
def sited() -> Iterator[Tcp]:
    with tcp_cluster(18) as made:
        yield made


@asynccontextmanager
async def deaf_server() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Accepts, listens to the greeting, and never answers."""
    greetings: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        greetings.append(await reader.read(4096))

    server = await asyncio.start_server(listen, "0.0.0.0", 0)
    yield server.sockets[0].getsockname()[1], greetings
    server.close()
    for writer in writers:
        writer.transport.abort()


@asynccontextmanager
async def relay(host: str, port: int) -> AsyncIterator[int]:
    """A port that leads to another one."""
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def join_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        there, back = await asyncio.open_connection(host, port)
        writers.append(back)
        tasks.update((asyncio.create_task(pump(reader, back)), asyncio.create_task(pump(there, writer))))

    server = await asyncio.start_server(join_up, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def eventually(condition: object, within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def test_a_guess_is_what_its_address_says() -> None:
    node = join([seen(primary())], NOW).nodes[0]
    assert Guess(node, primary(), "h", 1, None).address == "h:1"
