"""Which walsender feeds which watched standby.

Owns: weighing the evidence for each (walsender, walreceiver) pair and pairing those it identifies.
Must not: guess. Two standbys the evidence cannot tell apart stay unpaired, and so does everything judged on it.

Evidence, strongest first: the slot the standby uses is the slot the walsender serves; the application_name is the
standby's alone. Where names are common (the default, a cluster_name that several have), a walsender is a standby's only
if it comes from the walreceiver's port on this machine, or from the address of a machine that has no other node. Ports
and addresses alone prove nothing: between two nodes there may be a relay, a proxy or NAT.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pgreplterm.cluster.joining.addresses import AddressBook, asked_for, is_loopback
from pgreplterm.cluster.joining.best import Edge, best_pairs
from pgreplterm.cluster.joining.kinds import kind_of, logical_slots
from pgreplterm.cluster.joining.observe import Observation
from pgreplterm.cluster.model import LinkKind, NodeSample, Sender

DEFAULT_APPLICATION_NAME = "walreceiver"
_SLOT, _APPLICATION_NAME, _CLIENT_PORT, _CLIENT_ADDR, _HINT = 32, 16, 16, 8, 1
# A row seen now outweighs any row of an upstream that no longer answers: after a failover both list the standby.
_SEEN_NOW = 100
# Seconds without a reply after which another upstream's row is likelier to be the standby's living one.
_HEARD_WITHIN = 5.0


@dataclass(frozen=True, slots=True)
class Pair:
    """A walsender of one observed node, and the observed standby it feeds (indexes into the observations)."""

    upstream: int
    sender: Sender
    downstream: int


@dataclass(frozen=True, slots=True)
class Pairing:
    """The pairs, and the upstream of each standby of which only that is certain, not which walsender there it is.

    shared are the names that identified nobody.
    """

    pairs: tuple[Pair, ...]
    upstreams: dict[int, int]
    shared: frozenset[str]


def pair_links(seen: Sequence[Observation], book: AddressBook) -> Pairing:
    """Every pair that is the one best explanation for both of its ends."""
    standbys = _Standbys(seen, book, names_shared(one.sample for one in seen if one.sample is not None))
    edges = (
        Edge(up, row, down, weight)
        for up, one in enumerate(seen)
        if one.sample is not None
        for row, down, weight in standbys.fed_by(up, one.sample)
    )
    chosen, upstreams = best_pairs(edges)
    pairs = []
    for edge in chosen:
        sample = seen[edge.upstream].sample
        assert sample is not None
        pairs.append(Pair(edge.upstream, sample.senders[edge.row], edge.downstream))
    return Pairing(tuple(pairs), upstreams, standbys.shared)


def names_shared(samples: Iterable[NodeSample]) -> frozenset[str]:
    """Names that identify nobody: the default, and those several watched nodes have.

    Debian gives every node the same cluster_name, Patroni all nodes of a cluster, and so does a copied configuration.
    """
    counts = Counter(
        (sample.system_identifier, name)
        for sample in samples
        for name in {own_name(sample), sample.cluster_name or DEFAULT_APPLICATION_NAME}
    )
    return frozenset({DEFAULT_APPLICATION_NAME, *(name for (_, name), count in counts.items() if count > 1)})


def own_name(below: NodeSample) -> str:
    """The application_name its walreceiver uses."""
    return below.primary_conninfo_application_name or below.cluster_name or DEFAULT_APPLICATION_NAME


def could_feed(sender: Sender, below: NodeSample) -> bool:
    """Slot and name of the walsender fit that standby, or are hidden; this alone identifies nobody."""
    slot = _slot_weight(sender, below)
    return slot > 0 or (slot == 0 and sender.application_name in ("", own_name(below)))


def speaks_for(sender: Sender, below: NodeSample, shared: frozenset[str]) -> bool:
    """Something that identifies a standby, not an address, says that this walsender feeds that one."""
    slot = _slot_weight(sender, below)
    name = own_name(below)
    return slot > 0 or (slot == 0 and sender.application_name == name and name not in shared)


@dataclass(slots=True)
class _Standbys:
    """Standbys by what identifies them, so that each walsender is weighed against few of them."""

    seen: Sequence[Observation]
    book: AddressBook
    shared: frozenset[str]
    by_slot: dict[tuple[int, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    by_name: dict[tuple[int, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    by_port: dict[tuple[int, str, int], list[int]] = field(default_factory=lambda: defaultdict(list))
    by_addr: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for index, one in enumerate(self.seen):
            below = one.sample
            if below is None:
                continue
            if below.server_addr is not None and not is_loopback(below.server_addr):
                self.by_addr[below.server_addr].append(index)
            if below.in_recovery and (below.receiver is not None or not one.answers):
                self._enter(index, one, below)

    def _enter(self, index: int, one: Observation, below: NodeSample) -> None:
        system, name = below.system_identifier, own_name(below)
        if slot := _slot_of(below):
            self.by_slot[system, slot].append(index)
        if name not in self.shared:
            self.by_name[system, name].append(index)
        elif one.receiver_port is not None:
            self.by_port[system, name, one.receiver_port].append(index)

    def fed_by(self, up: int, above: NodeSample) -> Iterator[tuple[int, int, int]]:
        """(row, standby, weight) of each walsender of that node and each standby something speaks for."""
        logical = logical_slots(above)
        for row, sender in enumerate(above.senders):
            if kind_of(sender, logical) is not LinkKind.STANDBY:
                continue
            found = self._named(above.system_identifier, sender)
            if not found and sender.application_name:
                found = self._located(above, sender)
            for down, weight in found.items():
                if down != up and (total := self._weight(up, sender, down, weight)) > 0:
                    yield row, down, total

    def _named(self, system: int, sender: Sender) -> dict[int, int]:
        """By slot or name, where those are one standby's alone: a slot that several use names none of them."""
        found = dict.fromkeys(self.by_name.get((system, sender.application_name), ()), _APPLICATION_NAME)
        users = self.by_slot.get((system, sender.slot_name), ()) if sender.slot_name is not None else ()
        if len(users) == 1:
            found.setdefault(users[0], 0)
        return found

    def _located(self, above: NodeSample, sender: Sender) -> dict[int, int]:
        """The standbys of a name that is not one's alone, by where their connection comes from."""
        system, name, port, addr = (
            above.system_identifier,
            sender.application_name,
            sender.client_port,
            sender.client_addr,
        )
        if port is not None and (downs := self.by_port.get((system, name, port))):
            return {down: _CLIENT_PORT for down in downs if self._asks_for(down, above)}
        downs = self.by_addr.get(addr, []) if addr is not None and addr != above.server_addr else []
        if len(downs) != 1 or not self._asks_for(downs[0], above):
            return {}
        below = self.seen[downs[0]].sample
        return {downs[0]: _CLIENT_ADDR} if below is not None and own_name(below) == name in self.shared else {}

    def _asks_for(self, down: int, above: NodeSample) -> bool:
        """Its walreceiver is connected to a port of the number that this node listens on."""
        below = self.seen[down].sample
        asked = asked_for(below) if below is not None and below.in_recovery else None
        same_system = below is not None and below.system_identifier == above.system_identifier
        return same_system and asked is not None and asked[1] == above.port

    def _weight(self, up: int, sender: Sender, down: int, name: int) -> int:
        above, below = self.seen[up].sample, self.seen[down].sample
        assert above is not None and below is not None
        slot = _slot_weight(sender, below)
        if slot < 0 or slot + name <= 0:
            return 0
        hints = _hints(above, below) + _is_heard(sender) + 2 * (up in self.book.meant_by(down))
        return slot + name + _HINT * hints + (_SEEN_NOW if self.seen[up].answers else 0)


def _slot_of(below: NodeSample) -> str | None:
    """The slot its walreceiver uses, from its settings where that is hidden."""
    receiver = below.receiver
    visible = receiver is not None and receiver.status is not None
    return receiver.slot_name if receiver is not None and visible else below.primary_slot_name


def _slot_weight(sender: Sender, below: NodeSample) -> int:
    """Negative: impossible. A walsender that serves no slot proves nothing: it may not have taken its slot yet."""
    if sender.slot_name is None:
        return 0
    if _slot_of(below) == sender.slot_name:
        return _SLOT
    return -_SLOT if below.receiver is not None and below.receiver.status is not None else 0


def _hints(above: NodeSample, below: NodeSample) -> int:
    """Tie-breakers that mean something only beside stronger evidence."""
    receiver = below.receiver
    if receiver is None:
        return 0
    same_port = receiver.sender_port == above.port
    same_timeline = receiver.received_timeline is not None and receiver.received_timeline == above.timeline
    return same_port + same_timeline


def _is_heard(sender: Sender) -> bool:
    return sender.reply_age is not None and sender.reply_age < _HEARD_WITHIN
