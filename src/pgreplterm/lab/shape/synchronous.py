"""The synchronous requirement of a plan.

Owns: whether the rule can be kept by the tree it is for. Must not: parse it, which ``cluster.synchronous`` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pgreplterm.lab.shape.errors import PlanError
from pgreplterm.unknown_name import unknown

if TYPE_CHECKING:
    from pgreplterm.lab.shape.plan import LabPlan

KEY = "synchronous"


def canonical(plan: LabPlan) -> str:
    """synchronous_standby_names in its long form, empty for none. Raises PlanError when commits would never end.

    Only a walsender of the primary counts, so a cascade on the list confirms nothing.
    """
    direct = [node.name for node in plan.followers(plan.primary.name)]
    return checked_rule(plan.synchronous, [node.name for node in plan.nodes], direct, plan.primary.name)


def checked_rule(text: str, nodes: Iterable[str], direct: list[str], primary: str) -> str:
    """The same for the names of any tree; direct are the standbys that stream from the primary itself."""
    from pgreplterm.cluster.synchronous import SyncRuleError, parse_synchronous_standby_names

    try:
        rule = parse_synchronous_standby_names(text.strip())
    except SyncRuleError as error:
        raise PlanError(f"{KEY} is like 'ANY 1 (pg2, pg3)' or 'FIRST 1 (*)': {error}", KEY) from None
    if rule is None:
        return ""
    names = [name.lower() for name in rule.names]
    known = list(nodes)
    for name in names:
        if name != "*" and name not in known:
            raise PlanError(f"{KEY}: {unknown('node', name, known)}", KEY)
    able = direct if rule.takes_anyone else [name for name in direct if name in names]
    if rule.count > len(able):
        found = f"only {', '.join(able)} of them stream{'s' * (len(able) == 1)}" if able else "none of them streams"
        raise PlanError(
            f"{KEY} = {text!r} waits for {rule.count} standby{'s' * (rule.count > 1)} and {found} from {primary}: "
            "every commit would wait for ever",
            KEY,
        )
    return f"{rule.method} {rule.count} ({', '.join(names)})"
