"""What a node's words about addresses prove, and what they do not.

Owns: reading ``host:port``, and which watched node a walreceiver's ``sender_host`` and ``sender_port`` mean.
Must not: resolve names, connect, or take a port for a name: between two nodes there may be a relay, a proxy or NAT.

A loopback address or a socket's folder means something only to the machine that says it, so it counts between two
nodes that are reached on one host. A node reached at another port than it listens on, or at this machine's loopback
address while it says it was reached at another one, is behind a tunnel or a published port: its machine is its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from pgreplterm.cluster.joining.observe import Observation
from pgreplterm.cluster.model import NodeSample

DEFAULT_PORT = 5432
THIS_MACHINE = "this machine"


def split_address(address: str) -> tuple[str, int | None]:
    """The host (or socket's folder) and the port of ``host:port``."""
    host, _, port = address.rpartition(":")
    return host, int(port) if port.isdigit() else None


def is_folder(host: str) -> bool:
    """A Unix socket's folder, or an abstract socket."""
    return host.startswith(("/", "@"))


def is_loopback(host: str | None) -> bool:
    """An address that every machine gives to itself."""
    return host is not None and (host in ("localhost", "::1") or host.startswith("127."))


def machine_of(address: str, sample: NodeSample | None) -> str:
    """The machine a node is on, as far as the address it is watched at tells: its own address if nothing does."""
    host, port = split_address(address)
    if is_folder(host):
        return THIS_MACHINE
    if sample is None:
        return address
    outside = sample.server_addr is not None and not is_loopback(sample.server_addr)
    if sample.port != port or (is_loopback(host) and outside):
        return address
    return THIS_MACHINE if is_loopback(host) else host


def asked_for(sample: NodeSample) -> tuple[str, int] | None:
    """Where that standby's walreceiver is connected or, without one, where its settings send it; None if unknown.

    Settings that list several hosts name none.
    """
    receiver = sample.receiver
    if receiver is not None and receiver.sender_host is not None and receiver.sender_port is not None:
        return receiver.sender_host, receiver.sender_port
    host = sample.primary_conninfo_host
    if receiver is not None or not host or "," in host:
        return None
    return host, sample.primary_conninfo_port or DEFAULT_PORT


class AddressBook:
    """The watched nodes by what others may call them."""

    def __init__(self, seen: Sequence[Observation]) -> None:
        self._seen = seen
        self._meant: dict[int, frozenset[int]] = {}
        self._by_address: dict[tuple[str, int], set[int]] = defaultdict(set)
        self._by_machine: dict[tuple[str, int], set[int]] = defaultdict(set)
        for index, one in enumerate(seen):
            self._enter(index, one)

    def _enter(self, index: int, one: Observation) -> None:
        host, port = split_address(one.address)
        if port is not None:
            self._by_address[host, port].add(index)
        if one.sample is None:
            return
        self._by_machine[machine_of(one.address, one.sample), one.sample.port].add(index)
        if one.sample.server_addr is not None and not is_loopback(one.sample.server_addr):
            self._by_address[one.sample.server_addr, one.sample.port].add(index)

    def meant_by(self, index: int) -> frozenset[int]:
        """The nodes of its cluster that its walreceiver's address means: itself too, if it says so."""
        if index not in self._meant:
            self._meant[index] = self._meaning(index)
        return self._meant[index]

    def _meaning(self, index: int) -> frozenset[int]:
        one = self._seen[index]
        asked = None if one.sample is None else asked_for(one.sample)
        if one.sample is None or asked is None:
            return frozenset()
        system = one.sample.system_identifier
        return frozenset(up for up in self._called(one, asked) if self._is_of(up, system))

    def _called(self, one: Observation, asked: tuple[str, int]) -> set[int]:
        host, port = asked
        machine = machine_of(one.address, one.sample)
        if is_loopback(host):
            return self._by_machine.get((machine, port), set())
        if is_folder(host) and machine != THIS_MACHINE:
            return set()
        return self._by_address.get(asked, set())

    def _is_of(self, index: int, system: int) -> bool:
        sample = self._seen[index].sample
        return sample is not None and sample.system_identifier == system
