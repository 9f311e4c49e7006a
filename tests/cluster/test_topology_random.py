"""Any tree, any naming, any network between: a watched standby is shown under its true upstream or under none."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest

from pgreplterm.cluster.joining.join import join
from pgreplterm.cluster.joining.observe import Observation
from pgreplterm.cluster.model import ClusterSnapshot, LinkKind, NodeSample, Receiver, Sender
from pgreplterm.wal.lsn import LSN

from .samples import END, NOW, SYSTEM, primary, receiver, sender, slot, standby

SEEDS = range(400)
NAMINGS = ("own", "default", "debian", "few")
PLACES = ("hosts", "one host", "published", "sockets", "relays")


@dataclass
class Truth:
    """One server of an invented cluster, and how it is connected."""

    index: int
    upstream: Truth | None
    system: int
    application_name: str
    cluster_name: str
    slot: str | None
    host: str  # as its machine calls itself
    port: int
    address: str  # as it is watched
    is_watched: bool
    dialled: tuple[str, int] = ("", 0)  # what its walreceiver asks for
    comes_from: str | None = None  # what its upstream sees
    client_port: int = 0
    rows: list[Sender] = field(default_factory=list)


class World:
    """A forest of servers, and what sampling those that are watched would give."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.place = self.dice.choice(PLACES)
        self.watched = self.dice.choice((0.5, 0.8, 1.0))
        # A name or slot that only unwatched nodes have as well is beyond what anybody could tell.
        self.naming = self.dice.choice(NAMINGS if self.watched == 1.0 else NAMINGS[:3])
        self.slots = self.dice.choice((0.0, 0.5, 1.0))
        self.slot_names = 3 if self.watched == 1.0 and self.dice.random() < 0.5 else 100
        self.nodes: list[Truth] = []
        for index in range(self.dice.randint(2, 14)):
            self.nodes.append(self._node(index))

    def _node(self, index: int) -> Truth:
        upstream = self.dice.choice(self.nodes) if self.nodes and self.dice.random() < 0.9 else None
        system = upstream.system if upstream else SYSTEM + self.dice.randint(0, 1)
        application, cluster = self._names(index)
        host, port, address = self._site(index)
        slot_name = f"slot_{index % self.slot_names}" if self.dice.random() < self.slots else None
        if upstream is not None and any(one.slot == slot_name for one in self._children(upstream)):
            slot_name = None  # a slot has one user
        made = Truth(
            index, upstream, system, application, cluster, slot_name, host, port, address,
            is_watched=self.dice.random() < self.watched,
        )  # fmt: skip
        if upstream is not None:
            self._connect(made, upstream)
        return made

    def _children(self, node: Truth) -> list[Truth]:
        return [one for one in self.nodes if one.upstream is node]

    def _names(self, index: int) -> tuple[str, str]:
        match self.naming:
            case "own":
                return f"n{index}", f"n{index}"
            case "default":
                return "walreceiver", ""
            case "debian":
                return "15/main", "15/main"
        name = f"n{self.dice.randint(0, 4)}"
        return name, self.dice.choice((name, "", "15/main"))

    def _site(self, index: int) -> tuple[str, int, str]:
        """Where it is, the port it listens on, and the address it is watched at."""
        match self.place:
            case "hosts":
                host, port = f"10.0.0.{index + 1}", 5432
                return host, port, self.dice.choice((f"{host}:{port}", f"db{index}:{port}"))
            case "one host":
                return "10.0.0.1", 5432 + index, self.dice.choice((f"10.0.0.1:{5432 + index}", f"db:{5432 + index}"))
            case "published":
                return f"172.17.0.{index + 2}", 5432, f"127.0.0.1:{15432 + index}"
            case "sockets":
                return f"/run/{index}", 5432, f"/run/{index}:5432"
        return "127.0.0.1", 5432 + index, f"127.0.0.1:{5432 + index}"

    def _connect(self, node: Truth, upstream: Truth) -> None:
        node.client_port = self.dice.randint(30000, 60000)
        node.dialled, node.comes_from = (upstream.host, upstream.port), node.host
        match self.place:
            case "hosts":
                node.dialled = self.dice.choice(((upstream.host, 5432), (f"db{upstream.index}", 5432), ("vip", 5432)))
                node.comes_from = self.dice.choice((node.host, node.host, "10.0.0.254"))
            case "one host":
                node.dialled = self.dice.choice((("localhost", upstream.port), ("10.0.0.1", upstream.port)))
                node.comes_from = "127.0.0.1" if node.dialled[0] == "localhost" else "10.0.0.1"
            case "published":
                node.dialled = self.dice.choice(((upstream.host, 5432), ("pg", 5432), ("172.17.0.1", 15432)))
                node.comes_from = node.host if node.dialled[1] == 5432 else "172.17.0.1"
            case "sockets":
                node.comes_from = None
            case "relays":
                node.dialled = ("127.0.0.1", 40000 + node.index)

    def observations(self) -> list[Observation]:
        for node in self.nodes:
            if node.upstream is not None and self.dice.random() < 0.95:
                node.upstream.rows.append(self._row(node))
        made = [self._observed(node) for node in self.nodes if node.is_watched]
        self.dice.shuffle(made)
        return made

    def _row(self, node: Truth) -> Sender:
        return sender(
            node.application_name,
            pid=1000 + node.index,
            slot_name=node.slot,
            client_addr=node.comes_from,
            client_port=node.client_port if node.comes_from is not None else -1,
            replay_lsn=LSN(END - self.dice.randint(0, 100)),
        )

    def _observed(self, node: Truth) -> Observation:
        self.dice.shuffle(node.rows)
        same: dict[str, object] = {
            "system_identifier": node.system,
            "cluster_name": node.cluster_name,
            "port": node.port,
            "server_addr": None if self.place == "sockets" else node.host,
            "postmaster_started_at": NOW - 1000 - node.index,
            "senders": tuple(node.rows),
            "slots": tuple(slot(row.slot_name) for row in node.rows if row.slot_name),
        }
        name = f"w{node.index}"
        if node.upstream is None:
            return Observation(name, node.address, primary(**same))
        sample: NodeSample = standby(
            "x", receiver=self._receiver(node), primary_slot_name=node.slot,
            primary_conninfo_application_name=self.dice.choice((node.application_name, None))
            if node.application_name == (node.cluster_name or "walreceiver") else node.application_name,
            **same,
        )  # fmt: skip
        local = self.place in ("one host", "relays") and self.dice.random() < 0.3
        return Observation(name, node.address, sample, receiver_port=node.client_port if local else None)

    def _receiver(self, node: Truth) -> Receiver:
        host, port = node.dialled
        seen = receiver(node.slot, sender_host=host, sender_port=port, pid=2000 + node.index)
        return replace(seen, status=None, sender_host=None, sender_port=None, slot_name=None) if self.hides() else seen

    def hides(self) -> bool:
        """A role without privileges."""
        return self.dice.random() < 0.05

    def truth(self, snapshot: ClusterSnapshot) -> tuple[list[tuple[str, str | None, str | None]], int]:
        """Every watched standby shown under something else than its upstream, and how many are shown under it."""
        by_address = {node.address: node for node in self.nodes}
        names = {one.name: by_address[one.address] for one in snapshot.nodes}
        wrong, right = [], 0
        for shown in snapshot.nodes:
            true, claimed = names[shown.name].upstream, shown.upstream
            if claimed is None:
                continue
            if true is None or names[claimed] is not true:
                wrong.append((shown.name, claimed, true.address if true else None))
            right += 1
        for link in snapshot.links:
            if link.sender is None or link.downstream not in names:
                continue
            if link.sender.pid != 1000 + names[link.downstream].index:
                wrong.append((link.downstream, f"pid {link.sender.pid}", None))
        return wrong, right


@pytest.mark.parametrize("first", range(0, len(SEEDS), 50))
def test_no_standby_is_ever_shown_under_a_wrong_upstream(first: int) -> None:
    for seed in SEEDS[first : first + 50]:
        world = World(seed)
        wrong, _ = world.truth(join(world.observations(), NOW + 0.1))
        assert not wrong, (seed, world.place, world.naming, wrong)


def test_and_most_are_shown_under_the_right_one_where_anything_tells() -> None:
    for naming, least in (("own", 0.9), ("debian", 0.2)):
        shown = possible = 0
        for seed in SEEDS:
            world = World(seed)
            if world.naming != naming:
                continue
            shown += world.truth(join(world.observations(), NOW + 0.1))[1]
            possible += sum(
                one.is_watched and one.upstream is not None and one.upstream.is_watched for one in world.nodes
            )
        assert shown / possible > least, (naming, shown, possible)


@pytest.mark.parametrize("first", range(0, len(SEEDS), 100))
def test_every_walsender_is_in_one_link_at_most_and_every_node_once(first: int) -> None:
    for seed in SEEDS[first : first + 100]:
        world = World(seed)
        observed = world.observations()
        snapshot = join(observed, NOW + 0.1)
        assert sorted(node.address for node in snapshot.nodes) == sorted(one.address for one in observed)
        pids = [(link.upstream, link.sender.pid) for link in snapshot.links if link.sender is not None]
        assert len(pids) == len(set(pids)), seed
        downstreams = [link.downstream for link in snapshot.links]
        assert len(downstreams) == len({(link.upstream, link.downstream) for link in snapshot.links}), seed
        assert all(link.kind is LinkKind.STANDBY for link in snapshot.links)
