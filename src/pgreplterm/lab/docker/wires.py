"""What can be done to a container's place on the replication network, without the relay.

Owns: leaving and joining that network, dropping packets in one direction, and packet loss where the kernel has netem.
Must not: touch the management network, by which clients and samplers reach the node.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgreplterm.lab.docker import networks, packets, sidecar
from pgreplterm.lab.docker.backend import DockerBackend
from pgreplterm.lab.docker.labels import Naming
from pgreplterm.lab.docker.packets import Towards
from pgreplterm.lab.errors import LabError

if TYPE_CHECKING:
    from pgreplterm.lab.backend import Backend
    from pgreplterm.lab.docker.engine import Engine
    from pgreplterm.lab.state import NodeRecord


@dataclass(frozen=True, slots=True)
class Wires:
    """One node's place on the replication network."""

    backend: DockerBackend
    node: NodeRecord

    def leave(self) -> None:
        """Take the node off the network, and leave it no way around. Raises LabError."""
        packets.isolate(*self._place)
        if self.has_joined():
            networks.leave(*self._place)

    def join(self) -> None:
        """Put it back, with the address and the alias it had. Raises LabError."""
        if not self.has_joined():
            networks.join(*self._place, self.node.address)
        self.pass_all()

    def has_joined(self) -> bool:
        """Whether it is on the network."""
        return networks.has_joined(self.backend.engine, self.backend.naming, self._container)

    def drop(self, towards: Towards) -> None:
        """Drop every packet of the replication network in that direction. Raises LabError."""
        packets.drop(*self._place, (towards,))

    def pass_all(self) -> None:
        """Drop none any more; a container that does not run has lost its rules with its network."""
        if self.backend.is_running(self.node):
            packets.pass_all(*self._place)

    def has_netem(self) -> bool:
        """Whether this kernel can lose packets on purpose: it is asked, by a queue on the loopback device."""
        status, _ = self._run("tc", "qdisc", "add", "dev", "lo", "root", "netem", "loss", "0%")
        if status == 0:
            self._run("tc", "qdisc", "del", "dev", "lo", "root")
        return status == 0

    def lose(self, percent: float) -> None:
        """Lose that share of the packets the node sends to its peers. Raises LabError."""
        self._must("tc", "qdisc", "replace", "dev", self.device(), "root", "netem", "loss", f"{percent:g}%")

    def loses(self) -> bool:
        """Whether packets are lost on purpose."""
        return "netem" in self._must("tc", "qdisc", "show", "dev", self.device())

    def lose_none(self) -> None:
        """Undo lose()."""
        if self.loses():
            self._must("tc", "qdisc", "del", "dev", self.device(), "root")

    def device(self) -> str:
        """The node's device on the replication network, which differs with the order of joining. Raises LabError."""
        found = json.loads(self._must("ip", "-json", "address"))
        for device in found:
            if any(address.get("local") == self.node.address for address in device["addr_info"]):
                return str(device["ifname"])
        raise LabError(f"{self.node.name} has no device with the address {self.node.address} now")

    @property
    def _place(self) -> tuple[Engine, Naming, str, str]:
        return self.backend.engine, self.backend.naming, self._container, self.node.name

    @property
    def _container(self) -> str:
        if self.node.container is None:
            raise LabError(f"{self.node.name} has no container yet")
        return self.node.container

    def _must(self, *argv: str) -> str:
        status, output = self._run(*argv)
        if status != 0:
            raise LabError(f"{' '.join(argv)} failed in the network of {self.node.name}: {output}")
        return output

    def _run(self, *argv: str) -> tuple[int, str]:
        return sidecar.run(self.backend.engine, self.backend.naming, self._container, self.node.name, argv)


def wires_of(backend: Backend, node: NodeRecord) -> Wires | None:
    """The wires of a node; None when it is a local process."""
    return Wires(backend, node) if isinstance(backend, DockerBackend) else None
