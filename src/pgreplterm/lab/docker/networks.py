"""The two networks of a lab.

Owns: making them, the addresses on them, and joining and leaving them. Must not: know what crosses them.

The management network carries the published ports and lets no container reach another. Replication crosses the other
one, where each node has a fixed address: a node that left and joined again is the same to its peers.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from pgreplterm.lab.docker.errors import AddressTaken
from pgreplterm.lab.docker.labels import Naming
from pgreplterm.lab.errors import LabError

if TYPE_CHECKING:
    from pgreplterm.lab.docker.engine import Engine

POOL = IPv4Network("10.128.0.0/9")
"""Private addresses away from those that Docker and most sites give out (RFC 1918)."""

ATTEMPTS = 20
FIRST_NODE = 10
FREELY_GIVEN = 128
"""From here on the engine chooses: programs that come and go, never a node."""


@dataclass(frozen=True, slots=True)
class Subnet:
    """The replication network of one lab: 256 addresses."""

    network: IPv4Network

    @property
    def gateway(self) -> str:
        """This machine on that network."""
        return str(self.network.network_address + 1)

    def node(self, number: int) -> str:
        """The address of the node of that number, from 0."""
        return str(self.network.network_address + FIRST_NODE + number)


def create(engine: Engine, naming: Naming) -> Subnet:
    """Make both networks; the replication network's addresses. Raises LabError."""
    with engine.translated("making the lab's networks"):
        engine.client.networks.create(
            naming.management,
            driver="bridge",
            labels=naming.labels(),
            options={"com.docker.network.bridge.enable_icc": "false"},
            check_duplicate=True,
        )
    for _ in range(ATTEMPTS):
        subnet = Subnet(_any_subnet())
        if _create_replication(engine, naming, subnet):
            return subnet
    raise LabError(f"no free subnet was found in {POOL} for the lab's replication network: remove unused networks")


def join(engine: Engine, naming: Naming, container: str, node: str, address: str) -> None:
    """Connect a node's container to the replication network, under its own alias and address."""
    with engine.translated(f"connecting {node} to the replication network"):
        network = engine.client.networks.get(naming.replication)
        network.connect(container, aliases=[f"{node}.repl"], ipv4_address=address)


def leave(engine: Engine, naming: Naming, container: str, node: str) -> None:
    """Take a node's container off the replication network: its peers hear nothing more, no FIN and no RST."""
    with engine.translated(f"disconnecting {node} from the replication network"):
        engine.client.networks.get(naming.replication).disconnect(container)


def has_joined(engine: Engine, naming: Naming, container: str) -> bool:
    """Whether the container is on the replication network."""
    with engine.translated("looking at the container's networks"):
        settings = engine.client.api.inspect_container(container)["NetworkSettings"]["Networks"]
    return naming.replication in settings


def subnet_of(engine: Engine, naming: Naming) -> str:
    """The addresses of the replication network, in CIDR form. Raises LabError."""
    with engine.translated("looking at the replication network"):
        found = engine.client.api.inspect_network(naming.replication)
    return str(found["IPAM"]["Config"][0]["Subnet"])


def _any_subnet() -> IPv4Network:
    start = int(POOL.network_address) + 256 * random.randrange(POOL.num_addresses // 256)
    return IPv4Network((start, 24))


def _create_replication(engine: Engine, naming: Naming, subnet: Subnet) -> bool:
    from docker.types import IPAMConfig, IPAMPool

    free = f"{subnet.network.network_address + FREELY_GIVEN}/25"
    pool = IPAMPool(subnet=str(subnet.network), gateway=subnet.gateway, iprange=free)
    try:
        with engine.translated("making the lab's networks"):
            engine.client.networks.create(
                naming.replication,
                driver="bridge",
                labels=naming.labels(),
                ipam=IPAMConfig(pool_configs=[pool]),
                check_duplicate=True,
            )
    except AddressTaken:
        return False
    return True
