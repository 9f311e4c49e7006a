"""What ``synchronous_standby_names`` asks for: a parser of its grammar, and who counts towards it.

Owns: that grammar (PostgreSQL's syncrep_scanner.l and syncrep_gram.y), the matching of names, and the candidates
among an upstream's walsenders. Must not: judge whether commits are safe: synchronous_commit is each transaction's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from pgreplterm.cluster.model import Sender

ANYONE = "*"
_TOKEN = re.compile(
    r"""[ \t\n\r\f\v]*(?:
        "(?P<quoted>(?:[^"]|"")*)"
      | (?P<word>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*)
      | (?P<number>[0-9]+)
      | (?P<mark>[*,()])
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_UPPER_TO_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
# Only these walsenders are asked by a waiting commit (SyncRepGetCandidateStandbys).
_ATTACHED = frozenset({"streaming", "stopping"})


class Method(StrEnum):
    """How the standbys that must confirm are chosen from the list."""

    FIRST = "FIRST"  # the first n of the list that are there
    ANY = "ANY"  # any n of it: a quorum


class SyncRuleError(ValueError):
    """The text is no synchronous_standby_names: what was expected, what was found, and where."""


@dataclass(frozen=True, slots=True)
class SyncRule:
    """A parsed setting. count standbys must confirm; it may exceed the list, and then commits wait for ever."""

    method: Method
    count: int
    names: tuple[str, ...]

    @property
    def takes_anyone(self) -> bool:
        """``*`` is in the list."""
        return ANYONE in self.names

    def priority(self, application_name: str) -> int | None:
        """The place of the first name in the list that fits, from 1, as sync_priority shows it; None: none fits.

        As the server does, letters of ASCII are compared without case. Two standbys of one name both fit.
        """
        wanted = _folded(application_name)
        for place, name in enumerate(self.names, 1):
            if name == ANYONE or _folded(name) == wanted:
                return place
        return None

    def candidates(self, senders: Iterable[Sender]) -> tuple[Sender, ...]:
        """The walsenders that count now: attached, on the list, and with a flush position; best priority first.

        Every kind of client may count, a pg_receivewal of that name, too.
        """
        found = [
            (priority, sender)
            for sender in senders
            if sender.state in _ATTACHED
            and sender.flush_lsn is not None
            and (priority := self.priority(sender.application_name)) is not None
        ]
        return tuple(sender for _, sender in sorted(found, key=lambda one: (one[0], one[1].pid)))

    def absent(self, senders: Iterable[Sender]) -> tuple[str, ...]:
        """The names on the list that no walsender bears, whatever its state; pg_stat_replication cannot show them."""
        there = {_folded(sender.application_name) for sender in senders}
        return tuple(name for name in self.names if name != ANYONE and _folded(name) not in there)


def parse_synchronous_standby_names(text: str) -> SyncRule | None:
    """The rule, None for an empty setting (asynchronous). Raises SyncRuleError."""
    if not text:
        return None
    tokens = list(_tokens(text))
    method, count, names = _head(tokens)
    rule = SyncRule(method, count, tuple(_names(names)))
    if rule.count < 1:
        raise SyncRuleError(f"expected a number of standbys greater than 0, found {count}")
    return rule


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while True:
        match = _TOKEN.match(text, at)
        if match is None:
            rest = text[at:].lstrip(" \t\n\r\f\v")
            raise SyncRuleError(f"expected a name, a number, or a mark of the list, found {rest[:1]!r} in {text!r}")
        kind = match.lastgroup or "end"
        yield kind, match[kind].replace('""', '"') if kind == "quoted" else match[kind]
        if kind == "end":
            return
        at = match.end()


def _head(tokens: list[tuple[str, str]]) -> tuple[Method, int, list[tuple[str, str]]]:
    """The method, the count, and the tokens of the list; a bare list means FIRST 1."""
    method, rest = Method.FIRST, tokens
    if tokens[0][0] == "word" and tokens[0][1].upper() in Method.__members__:
        method, rest = Method[tokens[0][1].upper()], tokens[1:]
        if rest[0][0] != "number":
            raise SyncRuleError(f"expected a number of standbys after {tokens[0][1]}, found {_shown(rest[0])}")
    elif tokens[0][0] != "number" or tokens[1] != ("mark", "("):
        return method, 1, tokens
    if rest[1] != ("mark", "("):
        raise SyncRuleError(f"expected '(' after {rest[0][1]}, found {_shown(rest[1])}")
    if rest[-2] != ("mark", ")"):
        raise SyncRuleError(f"expected ')' at the end, found {_shown(rest[-2])}")
    return method, int(rest[0][1]), [*rest[2:-2], rest[-1]]


def _names(tokens: list[tuple[str, str]]) -> Iterator[str]:
    for place, (kind, value) in enumerate(tokens):
        if place % 2:
            if (kind, value) != ("mark", ",") and (kind != "end" or place != len(tokens) - 1):
                raise SyncRuleError(f"expected ',' between names, found {_shown((kind, value))}")
        elif kind == "word" and value.upper() in Method.__members__:
            raise SyncRuleError(f"expected a name, found the keyword {value}; a name like it must be quoted")
        elif kind in ("quoted", "word", "number") or value == ANYONE:
            yield value
        else:
            raise SyncRuleError(f"expected a name, found {_shown((kind, value))}")


def _folded(name: str) -> str:
    return name.translate(_UPPER_TO_LOWER)


def _shown(token: tuple[str, str]) -> str:
    return "the end" if token[0] == "end" else repr(token[1])
