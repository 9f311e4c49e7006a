"""Both ends of each link on real servers: names that several have, and walsenders that serve no standby."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pgreplterm.cli.status import table_lines
from pgreplterm.cluster.connecting.connect import targets
from pgreplterm.cluster.model import ClusterSnapshot, LinkKind, NodeState
from pgreplterm.cluster.sampling.sampler import Sampler
from pgreplterm.cluster.verdict import verdict
from pgreplterm.lab.binaries import environment
from tests.wal.servers import MAJORS

from .conftest import NEWEST
from .replicas import Cluster, Node, cluster
from .tcp import tcp_cluster
from .watching import gaps, states, until, watch

PAIR = {"pg1": None, "s1": "pg1", "s2": "pg1"}


def upstreams(snapshot: ClusterSnapshot) -> dict[str, str]:
    return {link.downstream: link.upstream for link in snapshot.links}


def rename(made: Cluster, name: str, conninfo: str, slot: str = "") -> None:
    """Have a standby connect anew; a restart, so that cluster_name can change with it."""
    node = made[name]
    node.stop()
    node.configure(primary_conninfo=conninfo, primary_slot_name=slot, cluster_name="")
    node.start()
    node.wait_for("status = 'streaming' from pg_stat_wal_receiver")


class TestNamesThatSeveralHave:
    """The default application_name is walreceiver."""

    @pytest.fixture
    def unnamed(self) -> Iterator[Cluster]:
        with cluster(NEWEST, PAIR) as made:
            for name in ("s1", "s2"):
                rename(made, name, f"host={made['pg1'].folder} user=postgres")
            yield made

    async def test_without_slots_the_upstream_is_known_and_the_walsender_is_not(self, unnamed: Cluster) -> None:
        async with watch(unnamed) as sampler:
            snapshot = await sampler.sample_once()
        assert {row.application_name for row in snapshot.nodes[0].sample.senders} == {"walreceiver"}  # type: ignore[union-attr]
        assert upstreams(snapshot) == {"s1": "pg1", "s2": "pg1"}
        assert all(link.sender is None and link.gaps.replay == 0 for link in snapshot.links)

    async def test_slots_tell_them_apart(self, unnamed: Cluster) -> None:
        for name in ("s1", "s2"):
            rename(unnamed, name, f"host={unnamed['pg1'].folder} user=postgres", slot=name)
        async with watch(unnamed) as sampler:
            snapshot = await sampler.sample_once()
        rows = {link.downstream: link.sender for link in snapshot.links}
        assert {name: row and row.slot_name for name, row in rows.items()} == {"s1": "s1", "s2": "s2"}

    async def test_the_ports_of_walreceivers_of_this_machine_tell_them_apart(self) -> None:
        with tcp_cluster(NEWEST) as sited:
            host, port = sited.sites["pg1"]
            for name in ("s1", "s2"):
                rename(sited.cluster, name, f"host={host} port={port} user=postgres")
            async with Sampler(targets([sited.dsn(name) for name in PAIR])) as sampler:
                snapshot = await sampler.sample_once()
            receivers = {
                f"{site[0]}:{site[1]}": sited.cluster[name].sql("select pid from pg_stat_wal_receiver")
                for name, site in sited.sites.items()
            }
        for link in snapshot.links:
            node = snapshot.node(link.downstream)
            assert node is not None and link.receiver is not None and link.sender is not None
            assert link.receiver.pid == receivers[node.address]
        assert len({link.sender.client_port for link in snapshot.links if link.sender is not None}) == 2

    async def test_one_name_twice_is_nobodys(self) -> None:
        """Told apart by nothing, so both have their upstream and neither has a walsender."""
        with cluster(NEWEST, PAIR) as made:
            for name in ("s1", "s2"):
                rename(made, name, f"host={made['pg1'].folder} user=postgres application_name=twin")
            async with watch(made) as sampler:
                snapshot = await sampler.sample_once()
        assert upstreams(snapshot) == {"s1": "pg1", "s2": "pg1"}
        assert all(link.sender is None for link in snapshot.links)

    async def test_unwatched_downstreams_of_one_name_have_names_of_their_own(self, unnamed: Cluster) -> None:
        async with Sampler(targets([unnamed["pg1"].dsn])) as sampler:
            snapshot = await sampler.sample_once()
        assert len(upstreams(snapshot)) == 2
        assert all(link.downstream.startswith("walreceiver pid ") for link in snapshot.links)


class TestWhatIsNoStandby:
    """pg_receivewal, base backups and logical walsenders stand in the same view."""

    @pytest.mark.parametrize("major", MAJORS)
    async def test_each_has_its_kind_and_none_is_a_standby(self, major: int) -> None:
        with cluster(major, {"pg1": None, "s1": "pg1"}) as made, others(made["pg1"]):
            async with watch(made) as sampler:
                snapshot = await until(sampler, lambda seen: len(seen.links) >= 6 and not verdict(seen).findings)
            async with watch(made, "nobody_special") as sampler:
                hidden = await sampler.sample_once()
        kinds = [link.kind for link in snapshot.links]
        assert kinds.count(LinkKind.STANDBY) == 1
        assert {kind: kinds.count(kind) for kind in set(kinds)} == {
            LinkKind.STANDBY: 1,
            LinkKind.RECEIVEWAL: 2,
            LinkKind.BACKUP: 2,
            LinkKind.LOGICAL: 1,
        }
        standby = snapshot.link_to("s1")
        assert standby is not None
        assert (standby.kind, standby.upstream) == (LinkKind.STANDBY, "pg1")
        assert verdict(snapshot).sentence.startswith("1 of 1 standbys streaming"), verdict(snapshot)
        assert [link.downstream for link in hidden.links if link.kind is LinkKind.LOGICAL] == ["pg_recvlogical"]

    async def test_a_primary_with_only_those_has_no_standby(self) -> None:
        with cluster(NEWEST, {"pg1": None}) as made, others(made["pg1"]):
            async with watch(made) as sampler:
                snapshot = await until(sampler, lambda seen: len(seen.links) >= 5 and not verdict(seen).findings)
        assert "downstream" not in verdict(snapshot).sentence, verdict(snapshot)
        table = "\n".join(table_lines(snapshot))
        assert all(table.count(str(kind)) >= 1 for kind in LinkKind if kind is not LinkKind.STANDBY), table


async def test_a_delayed_standby_streams_and_replays_later(doomed: Cluster) -> None:
    """What it has yet to replay is all on its disk."""
    doomed["s1"].configure(recovery_min_apply_delay="1h")
    doomed["s1"].sql("select pg_reload_conf()")
    doomed.write(rows=100)
    async with watch(doomed) as sampler:
        snapshot = await until(
            sampler,
            lambda seen: gaps(seen, "s1").flush == 0 and gaps(seen, "s2").replay == 0 and gaps(seen, "s1").replay,
        )
    assert (states(snapshot)["s1"], upstreams(snapshot)["s1"]) == (NodeState.STREAMING, "pg1")


@contextmanager
def others(server: Node) -> Iterator[None]:
    """Everything that streams and is no standby; one pg_receivewal under a name of its own choice."""
    server.sql("alter system set wal_level = logical")
    server.stop()
    server.start()
    server.sql("select pg_create_logical_replication_slot('changes', 'pgoutput')", "create publication p")
    there = ("-h", server.folder, "-U", "postgres")
    renamed = f"host={server.folder} user=postgres application_name=barman"
    commands = [
        ("pg_receivewal", *there, "-s", "1", "-D", _folder(server, "a")),
        ("pg_receivewal", "-d", renamed, "-s", "1", "-D", _folder(server, "b")),
        ("pg_basebackup", *there, "-D", _folder(server, "c"), "-X", "stream", "--max-rate=32k", "-c", "fast"),
        ("pg_recvlogical", *there, "-d", "postgres", "-S", "changes", "--start", "-f", "-",
         "-o", "proto_version=1", "-o", "publication_names=p"),
    ]  # fmt: skip
    running = [_start(server, *command) for command in commands]
    try:
        server.wait_for("count(*) >= 5 from pg_stat_replication where application_name != 's1'")
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()


def _folder(server: Node, name: str) -> Path:
    folder = server.folder / name
    folder.mkdir()
    server.account.own(folder)
    return folder


def _start(server: Node, program: str, *args: str | Path) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        [server.bin / program, *args], stdout=quiet, stderr=quiet, cwd="/", env=environment(),
        **server.account.spawn_options,
    )  # fmt: skip
