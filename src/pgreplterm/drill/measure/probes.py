"""Whether every node has the ids that clients were told it has: each exactly once.

Owns: those checks, from journals and reads of every node. Must not: decide which loss was expected.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.measure.clients import acknowledged, attempts_of
from pgreplterm.errors import PgReplTermError
from pgreplterm.lab.fates import Fate, Read, classify, missing_from
from pgreplterm.lab.journal import Attempt
from pgreplterm.lab.lab import Lab

_SHOWN = 5
_PRESENT = "every acknowledged id is on every node, once"
_REFUSED = "no id is there that was refused or never tried"


def probe_checks(
    lab: Lab, nodes: Sequence[str], journals: Sequence[Path], lost: Mapping[int, Collection[int]]
) -> Iterator[Check]:
    """Two checks over all clients: what must be there, and what must not."""
    try:
        clients = attempts_of(journals)
        reads = {client: tuple(lab.read_probes(node, client) for node in nodes) for client in clients}
    except (PgReplTermError, OSError, ValueError) as error:
        for name in (_PRESENT, _REFUSED):
            yield Check(name, Verdict.WARNING, f"could not be compared: {error}")
        return
    wrong = [word for client in clients for word in _absent(client, clients[client], reads[client], lost)]
    count = sum(len(acknowledged(attempts)) for attempts in clients.values())
    given_up = sum(map(len, lost.values()))
    note = f", but for {given_up} that were measured as lost" if given_up else ""
    evidence = f"{count} acknowledged ids of {len(clients)} clients on {len(nodes)} nodes{note}"
    yield _check(_PRESENT, wrong, evidence if count else "", "no id was acknowledged")
    odd = [word for client in clients for word in _unexpected(client, clients[client], reads[client])]
    yield _check(_REFUSED, odd, f"{sum(map(len, clients.values()))} attempts", "")


def _check(name: str, wrong: Sequence[str], evidence: str, nothing: str) -> Check:
    if wrong:
        return Check(name, Verdict.REFUSAL, "; ".join(wrong))
    return Check(name, Verdict.OK, evidence) if evidence else Check(name, Verdict.WARNING, nothing)


def _absent(
    client: int, attempts: Sequence[Attempt], reads: Sequence[Read], lost: Mapping[int, Collection[int]]
) -> Iterator[str]:
    """Missing where it must be, there where it was lost, or there twice: a sentence for each node."""
    gone = set(lost.get(client, ()))
    wanted = {each.id for each in acknowledged(attempts)} - gone
    for node, ids in missing_from(wanted, reads).items():
        if ids:
            yield f"{node} lacks {_some(client, ids)}"
    for read in reads:
        if back := gone & set(read.ids):
            yield f"{read.node} has {_some(client, sorted(back))}, which were measured as lost"
        if twice := classify(attempts, [read]).of(Fate.DUPLICATE):
            yield f"{read.node} has {_some(client, twice)} more than once"


def _unexpected(client: int, attempts: Sequence[Attempt], reads: Sequence[Read]) -> Iterator[str]:
    for read in reads:
        if odd := classify(attempts, [read]).of(Fate.UNEXPECTED):
            yield f"{read.node} has {_some(client, odd)}"


def _some(client: int, ids: Sequence[int]) -> str:
    shown = ", ".join(f"{client}:{each}" for each in ids[:_SHOWN])
    return f"{len(ids)} ids ({shown}{', ...' if len(ids) > _SHOWN else ''})"
