"""Where the rest of a cluster may be, read off the nodes that are watched; and whether a server found there is it.

Owns: those guesses, and the evidence that turns one into a node. Pure. Must not: connect, or take an address for proof.

Upwards a standby names its upstream's host and port. Downwards a walsender shows an address without the port its
standby listens on, so the ports in use elsewhere in the cluster are tried. Either address may mean another machine
here than there (NAT, Docker, a relay), so a server found is believed only if it is of the same cluster and the slot or
the application_name says that it is the other end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pgreplterm.cluster.joining.addresses import (
    DEFAULT_PORT,
    THIS_MACHINE,
    asked_for,
    is_folder,
    is_loopback,
    machine_of,
    split_address,
)
from pgreplterm.cluster.joining.match import could_feed, names_shared, speaks_for
from pgreplterm.cluster.model import ClusterSnapshot, LinkKind, Node, NodeSample, Sender

# Ports tried for one walsender's standby.
_MOST_PORTS = 8


@dataclass(frozen=True, slots=True)
class Guess:
    """A server may be at host and port: the upstream of finder or, with a walsender, the standby that it feeds."""

    finder: Node
    sample: NodeSample
    host: str
    port: int
    sender: Sender | None

    @property
    def address(self) -> str:
        """As Target.address."""
        return f"{self.host}:{self.port}"


def guesses(snapshot: ClusterSnapshot) -> Iterator[Guess]:
    """Every guess at nodes not watched; upstreams first, since what they say about themselves is no guess to them."""
    addresses = {node.address for node in snapshot.nodes}
    fed = {link.downstream for link in snapshot.links}
    for node in snapshot.nodes:
        if node.name not in fed and (guess := _upwards(node)) is not None and guess.address not in addresses:
            yield guess
    nodes = {node.name: node for node in snapshot.nodes}
    ports = _ports(snapshot.nodes)
    for link in snapshot.links:
        if link.kind is LinkKind.STANDBY and link.sender is not None and link.downstream not in nodes:
            found = _downwards(nodes[link.upstream], link.sender, ports)
            yield from (guess for guess in found if guess.address not in addresses)


def confirms(guess: Guess, found: NodeSample, known: Collection[NodeSample]) -> bool:
    """The server that was found is the other end that was looked for. known are the samples of all watched nodes."""
    if found.system_identifier != guess.sample.system_identifier:
        return False
    if guess.sender is None:
        return _is_upstream(guess.sample, found)
    if not found.in_recovery or found.receiver is None:
        return False
    if speaks_for(guess.sender, found, names_shared((*known, found))):
        return True
    return _is_at_both_addresses(guess, guess.sender, found)


def _is_upstream(below: NodeSample, found: NodeSample) -> bool:
    """It lists a walsender that fits the standby that named its address or, while none runs, has the standby's slot."""
    if below.receiver is None and any(slot.name == below.primary_slot_name for slot in found.slots):
        return True
    shown = (sender for sender in found.senders if sender.application_name or sender.slot_name)
    return any(
        could_feed(sender, below) and (sender.application_name or speaks_for(sender, below, frozenset()))
        for sender in shown
    )


def _is_at_both_addresses(guess: Guess, sender: Sender, found: NodeSample) -> bool:
    """A name that is not one's alone needs both ends' addresses: it asks for this port, from that walsender's."""
    asked = asked_for(found)
    named = bool(sender.application_name) and could_feed(sender, found)
    from_there = sender.client_addr is not None and sender.client_addr == found.server_addr
    return named and from_there and asked is not None and asked[1] == guess.sample.port


def _upwards(node: Node) -> Guess | None:
    sample = node.sample
    if sample is None or node.failure is not None or not sample.in_recovery or node.feeds_itself:
        return None
    asked = asked_for(sample)
    host = None if asked is None else _as_reached(node, sample, asked[0])
    return None if asked is None or host is None else Guess(node, sample, host, asked[1], None)


def _downwards(node: Node, sender: Sender, ports: Collection[int]) -> Iterator[Guess]:
    """Over a Unix socket client_port is -1; both are None where the role may not see them."""
    sample = node.sample
    if sample is None or sender.client_port is None:
        return
    said = sender.client_addr if sender.client_addr is not None else split_address(node.address)[0]
    local = said == sample.server_addr or (sender.client_addr is None and not is_folder(said))
    host = _as_reached(node, sample, "localhost" if local else said)
    if host is None:
        return
    own = [port for port in (split_address(node.address)[1], sample.port) if port is not None]
    for port in list(dict.fromkeys((*own, *ports, DEFAULT_PORT)))[:_MOST_PORTS]:
        yield Guess(node, sample, host, port, sender)


def _as_reached(node: Node, sample: NodeSample, host: str) -> str | None:
    """What that node calls host, as a host to ask from here; None where only the node's own machine knows."""
    machine = machine_of(node.address, sample)
    if is_folder(host):
        return host if machine == THIS_MACHINE else None
    if not is_loopback(host):
        return host
    if machine == node.address:
        return None
    return host if machine == THIS_MACHINE else machine


def _ports(nodes: Collection[Node]) -> tuple[int, ...]:
    watched = (split_address(node.address)[1] for node in nodes)
    own = (node.sample.port for node in nodes if node.sample is not None)
    return tuple(dict.fromkeys(port for port in (*watched, *own) if port is not None))
