"""synchronous_standby_names when another node becomes primary.

Owns: the rule that says of the new tree what the old one said of the old tree. Must not: set it.

The setting names standbys, and every server has its own. A primary never counts for itself: a new primary that is named
by its own rule waits for one standby fewer than can ever answer, and its commits may wait for ever.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pgreplterm.cluster.synchronous import SyncRule, SyncRuleError, parse_synchronous_standby_names

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab


def rule_after(text: str, old: str, new: str) -> str:
    """The rule for new as primary: old takes its place, unless it is on the list already.

    text is what a server has, so it is a rule; one that cannot be read stays as it is, for the preflight to refuse.
    """
    try:
        rule = parse_synchronous_standby_names(text.strip())
    except SyncRuleError:
        return text
    if rule is None:
        return ""
    folded = [name.lower() for name in rule.names]
    if rule.takes_anyone or new.lower() not in folded or old.lower() in folded:
        return text
    names = tuple(old if name.lower() == new.lower() else name for name in rule.names)
    return _text(replace(rule, names=names))


def rule_of(lab: Lab, node: str) -> str:
    """What that server has now, wherever it was set. Raises LabError."""
    with lab.connection(node) as link:
        row = link.execute("SHOW synchronous_standby_names").fetchone()
    return "" if row is None else str(row[0])


def same_rule(one: str, other: str) -> bool:
    """Whether two spellings mean the same."""
    try:
        return parse_synchronous_standby_names(one.strip()) == parse_synchronous_standby_names(other.strip())
    except SyncRuleError:
        return one == other


def _text(rule: SyncRule) -> str:
    return f"{rule.method} {rule.count} ({', '.join(rule.names)})"
