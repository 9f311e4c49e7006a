"""Whether pg_hba.conf lets a walreceiver in, from the lines the server itself parsed.

Owns: choosing the line that decides, as the server does: the first that fits. Must not: look up names, read files.
A line for a host name, or for samehost, cannot be decided from outside, nor can samenet unless that network is known;
it is named as such, never guessed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from pgreplterm.drill.preflight.facts import HbaRule

_REJECT = "reject"
_SAME = ("samehost", "samenet")


@dataclass(frozen=True, slots=True)
class Door:
    """open is None when it cannot be said. by is the deciding line in a clause."""

    open: bool | None
    by: str


def replication_door(rules: Iterable[HbaRule], user: str, address: str | None, same_network: str | None = None) -> Door:
    """The door for a replication connection of that user from that address; None is over the socket."""
    for rule in rules:
        if not _is_for_replication(rule) or _fits_user(rule, user) is False:
            continue
        fits = _fits_address(rule, address, same_network)
        if fits is False:
            continue
        shown = f"{rule.kind} replication {','.join(rule.users)} {rule.address or ''} {rule.method}".replace("  ", " ")
        if fits is None or _fits_user(rule, user) is None:
            return Door(None, f"the line '{shown}' cannot be judged from outside")
        if rule.method == _REJECT:
            return Door(False, f"the line '{shown}' rejects it")
        return Door(True, f"the line '{shown}' lets it in")
    return Door(False, "no line lets it in")


def _is_for_replication(rule: HbaRule) -> bool:
    """ "all" is no replication."""
    return "replication" in rule.databases


def _fits_user(rule: HbaRule, user: str) -> bool | None:
    """None: a group or a regular expression, which only the server can look into."""
    if "all" in rule.users or user in rule.users:
        return True
    return None if any(name.startswith(("+", "/", "@")) for name in rule.users) else False


def _fits_address(rule: HbaRule, address: str | None, same_network: str | None) -> bool | None:
    if rule.kind == "local" or address is None:
        return rule.kind == "local" and address is None
    if rule.address == "all":
        return True
    if rule.address == "samenet" and same_network is not None:
        return ipaddress.ip_address(address) in ipaddress.ip_network(same_network)
    if rule.address in _SAME:
        return None
    try:
        network = ipaddress.ip_network(f"{rule.address}/{_prefix(rule.netmask)}", strict=False)
        return ipaddress.ip_address(address) in network
    except ValueError:
        return None


def _prefix(netmask: str | None) -> int:
    """The server shows a netmask, also for IPv6, where ip_network wants a length."""
    if netmask is None:
        raise ValueError("no mask")
    return int(ipaddress.ip_address(netmask)).bit_count()
