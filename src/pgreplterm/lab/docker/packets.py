"""Packets of the replication network that vanish in the network of one container.

Owns: the rules that drop them, in a chain of their own, so that removing these rules removes no other.
Must not: touch the management network, by which clients and samplers reach the node.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import TYPE_CHECKING

from pgreplterm.lab.docker import networks, sidecar
from pgreplterm.lab.docker.labels import Naming
from pgreplterm.lab.errors import LabError

if TYPE_CHECKING:
    from pgreplterm.lab.docker.engine import Engine

CHAIN = "PGREPLTERM"


class Towards(StrEnum):
    """Which packets are dropped, seen from the node."""

    NODE = "INPUT"
    PEERS = "OUTPUT"


BOTH = (Towards.NODE, Towards.PEERS)


def drop(engine: Engine, naming: Naming, container: str, node: str, towards: Collection[Towards]) -> None:
    """Drop every packet of the replication network in those directions. Raises LabError."""
    subnet = networks.subnet_of(engine, naming)
    _iptables(engine, naming, container, node, "--new-chain", CHAIN, allowed=("exists",))
    _iptables(engine, naming, container, node, "--flush", CHAIN)
    for end in ("--source", "--destination"):
        _iptables(engine, naming, container, node, "--append", CHAIN, end, subnet, "--jump", "DROP")
    for hook in towards:
        _iptables(engine, naming, container, node, "--insert", hook, "--jump", CHAIN)


def pass_all(engine: Engine, naming: Naming, container: str, node: str) -> None:
    """Remove every rule of ours; what a killed program left half made goes, too. Raises LabError."""
    for rule in _iptables(engine, naming, container, node, "--list-rules").splitlines():
        if rule.startswith("-A") and rule.endswith(f"-j {CHAIN}"):
            _iptables(engine, naming, container, node, "--delete", *rule.split()[1:])
    _iptables(engine, naming, container, node, "--flush", CHAIN, allowed=("No chain",))
    _iptables(engine, naming, container, node, "--delete-chain", CHAIN, allowed=("No chain",))


def isolate(engine: Engine, naming: Naming, container: str, node: str) -> None:
    """Let no packet of the replication network take another way: this machine routes between its networks."""
    drop(engine, naming, container, node, BOTH)


def _iptables(
    engine: Engine, naming: Naming, container: str, node: str, *words: str, allowed: tuple[str, ...] = ()
) -> str:
    status, output = sidecar.run(engine, naming, container, node, ["iptables", "--wait", *words])
    if status != 0 and not any(word in output for word in allowed):
        raise LabError(f"iptables {' '.join(words)} failed in the network of {node}: {output}")
    return output
