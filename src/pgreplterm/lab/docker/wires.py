"""What can be done to a container's place on the replication network, without the relay.

Owns: leaving and joining that network, dropping packets in one direction, and packet loss where the kernel has netem.
Must not: touch the management network, by which clients and samplers reach the node.

Packets are dropped by rules of a chain of their own, so that healing removes these rules and no other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pgreplterm.lab.docker import networks, sidecar
from pgreplterm.lab.docker.backend import DockerBackend
from pgreplterm.lab.errors import LabError

if TYPE_CHECKING:
    from pgreplterm.lab.backend import Backend
    from pgreplterm.lab.state import NodeRecord

CHAIN = "PGREPLTERM"


class Towards(StrEnum):
    """Which packets are dropped, seen from the node."""

    NODE = "INPUT"
    PEERS = "OUTPUT"


@dataclass(frozen=True, slots=True)
class Wires:
    """One node's place on the replication network; subnet is that network's, in CIDR form."""

    backend: DockerBackend
    node: NodeRecord
    subnet: str

    def leave(self) -> None:
        """Take the node off the network. Nothing happens when it is off already. Raises LabError."""
        if self.has_joined():
            networks.leave(self.backend.engine, self.backend.naming, self._container, self.node.name)

    def join(self) -> None:
        """Put it back, with the address and the alias it had. Nothing happens when it is on. Raises LabError."""
        if not self.has_joined():
            networks.join(self.backend.engine, self.backend.naming, self._container, self.node.name, self.node.address)

    def has_joined(self) -> bool:
        """Whether it is on the network."""
        return networks.has_joined(self.backend.engine, self.backend.naming, self._container)

    def drop(self, towards: Towards) -> None:
        """Drop every packet of the replication network in that direction. Raises LabError."""
        end = "--source" if towards is Towards.NODE else "--destination"
        self._iptables("--new-chain", CHAIN, allowed=("exists",))
        self._iptables("--flush", CHAIN)
        self._iptables("--append", CHAIN, end, self.subnet, "--jump", "DROP")
        self._iptables("--insert", towards, "--jump", CHAIN)

    def drops(self) -> bool:
        """Whether there are rules of ours. Raises LabError."""
        return CHAIN in self._iptables("--list-rules")

    def pass_all(self) -> None:
        """Remove every rule of ours; what a killed program left half made goes, too. Raises LabError."""
        for rule in self._iptables("--list-rules").splitlines():
            if rule.startswith("-A") and rule.endswith(f"-j {CHAIN}"):
                self._iptables("--delete", *rule.split()[1:])
        self._iptables("--flush", CHAIN, allowed=("No chain",))
        self._iptables("--delete-chain", CHAIN, allowed=("No chain",))

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
    def _container(self) -> str:
        if self.node.container is None:
            raise LabError(f"{self.node.name} has no container yet")
        return self.node.container

    def _iptables(self, *words: str, allowed: tuple[str, ...] = ()) -> str:
        status, output = self._run("iptables", "--wait", *words)
        if status != 0 and not any(word in output for word in allowed):
            raise LabError(f"iptables {' '.join(words)} failed in the network of {self.node.name}: {output}")
        return output

    def _must(self, *argv: str) -> str:
        status, output = self._run(*argv)
        if status != 0:
            raise LabError(f"{' '.join(argv)} failed in the network of {self.node.name}: {output}")
        return output

    def _run(self, *argv: str) -> tuple[int, str]:
        return sidecar.run(self.backend.engine, self.backend.naming, self._container, self.node.name, argv)


def wires_of(backend: Backend, node: NodeRecord, subnet: str) -> Wires:
    """The wires of a node of a lab in Docker."""
    assert isinstance(backend, DockerBackend)  # as every lab's that has a subnet
    return Wires(backend, node, subnet)
