"""Whether those who are to follow may come in.

Owns: those checks. Must not: connect.
"""

from __future__ import annotations

import ipaddress

from pgreplterm.cluster.words import printable
from pgreplterm.drill.preflight.hba import Door, replication_door
from pgreplterm.drill.preflight.subject import Drill, Finding, Subject, listed, ok, refuse, unknown, warn

_LOCAL = ("localhost", "127.0.0.1", "::1")


def doors(subject: Subject) -> Finding:
    """pg_hba.conf both ways: what follows the primary today must be let in by its successor tomorrow."""
    facts = subject.facts_of(subject.server)
    if facts.hba is None:
        return unknown(f"pg_hba.conf of {subject.server}", facts)
    known: dict[str, Door] = {}
    for name in subject.newcomers:
        network = next((place.network for place in subject.facts.places.values()), None)
        known[name] = replication_door(facts.hba, _user_of(subject, name), _address_of(subject, name), network)
    shut = [f"{name}: {printable(door.by)}" for name, door in known.items() if door.open is False]
    if shut:
        return refuse("; ".join(shut), f"add a replication line to pg_hba.conf of {subject.server}")
    doubtful = [f"{name}: {printable(door.by)}" for name, door in known.items() if door.open is None]
    if doubtful:
        return warn("unknown: " + "; ".join(doubtful), "try it: psql 'host=... replication=true' -c IDENTIFY_SYSTEM")
    return ok(f"{subject.server} lets in {listed(known, 'whoever is to come: nobody')}")


def role(subject: Subject) -> Finding:
    """The role must exist there and may replicate."""
    facts = subject.facts_of(subject.server)
    if facts.replication_roles is None:
        return unknown(f"roles of {subject.server}", facts)
    users = {_user_of(subject, name) for name in subject.newcomers}
    wrong = sorted(users - facts.replication_roles)
    if wrong:
        return refuse(f"{listed(map(printable, wrong))}: no role that may log in and replicate")
    return ok(listed(map(printable, sorted(users)), "nobody needs one"))


def rights(subject: Subject) -> Finding:
    """Every drill writes settings, promotes or copies; no predefined role may do all of that."""
    known = {name: facts.is_superuser for name, facts in subject.facts.nodes.items()}
    without = [name for name, can in known.items() if can is False]
    if without:
        return refuse(f"our role is no superuser on {listed(without)}", "connect as one")
    if not known or None in known.values():
        return unknown(f"our rights on {listed(name for name, can in known.items() if can is None)}")
    return ok(f"superuser on {listed(known)}")


def listens(subject: Subject) -> Finding:
    """A server that listens on loopback alone hears nobody from elsewhere."""
    facts = subject.facts_of(subject.server)
    heard = facts.setting("listen_addresses")
    if heard is None:
        return unknown(f"listen_addresses of {subject.server}", facts)
    where = [each.strip() for each in heard.split(",") if each.strip()]
    far = [name for name in subject.newcomers if not _is_near(_address_of(subject, name))]
    if far and all(each in _LOCAL for each in where):
        return refuse(f"{subject.server} listens on {heard or 'no address'}; {listed(far)} come from elsewhere")
    return ok(f"{subject.server} listens on {printable(heard) or 'its socket alone'}")


def follows_latest(subject: Subject) -> Finding:
    """A standby that stays on its timeline does not go along with a promotion."""
    names = [name for name in subject.newcomers if subject.drill is not Drill.NEW_STANDBY]
    names += [node.name for node in subject.snapshot.nodes if node.upstream == subject.candidate is not None]
    known = {name: subject.facts_of(name).setting("recovery_target_timeline") for name in names}
    wrong = [f"{name}: {value}" for name, value in known.items() if value not in ("latest", None)]
    if wrong:
        return refuse(listed(wrong), "set recovery_target_timeline to latest, which takes a restart")
    missing = [name for name, value in known.items() if value is None]
    if missing:
        return unknown(f"recovery_target_timeline of {listed(missing)}")
    return ok(f"latest on {listed(known, 'whoever follows: nobody')}")


def _user_of(subject: Subject, name: str) -> str:
    """As it replicates today; a primary will use what the candidate uses."""
    for each in (name, subject.candidate, subject.source):
        if user := subject.facts_of(each).replication_user:
            return user
    others = (facts.replication_user for facts in subject.facts.nodes.values())
    return next((user for user in others if user), "postgres")


def _address_of(subject: Subject, name: str) -> str | None:
    """As the server will see it: in a lab the relay's, elsewhere its own; None over a socket."""
    if subject.facts.places:
        place = subject.facts.places.get(name)
        return place.seen_as if place is not None else next(iter(subject.facts.places.values())).seen_as
    link = subject.snapshot.link_to(name)
    if link is not None and link.sender is not None:
        return link.sender.client_addr
    node = subject.seen(name)
    return node.sample.server_addr if node is not None and node.sample is not None else None


def _is_near(address: str | None) -> bool:
    return address is None or ipaddress.ip_address(address).is_loopback
