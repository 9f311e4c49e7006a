"""The few settings that decide whether the nodes of a plan can start beside each other.

Owns: what a standby compares with its primary, and room for the followers. Must not: judge any other setting: the
server says what is wrong with those.
"""

from __future__ import annotations

from pgreplterm.lab.config import DEFAULTS
from pgreplterm.lab.shape.errors import PlanError
from pgreplterm.lab.shape.plan import LabPlan, NodePlan
from pgreplterm.toml_text import Keys

_AT_INITDB = {
    "max_connections": 100,
    "max_worker_processes": 8,
    "max_wal_senders": 10,
    "max_prepared_transactions": 0,
    "max_locks_per_transaction": 64,
}
"""What a standby compares before it starts, and what the data directory that it is copied from was made with."""

_ONE_A_FOLLOWER = ("max_wal_senders", "max_replication_slots")


def check(plan: LabPlan) -> None:
    """Raises PlanError for the first setting that is too small."""
    for number, node in enumerate(plan.nodes):
        place = ("node", str(number), "settings")
        if node.follows is not None:
            _check_standby(plan, node, place)
        _check_room(plan, node, place)


def _check_standby(plan: LabPlan, node: NodePlan, place: Keys) -> None:
    for name, made_with in _AT_INITDB.items():
        own = _figure(plan, node, name, place)
        primary = _figure(plan, plan.primary, name, ("settings",)) or 0
        if own is None and primary > made_with:
            own = made_with  # the server's own default
        if own is not None and own < max(made_with, primary):
            origin = (
                f"its primary {plan.primary.name} has" if primary > made_with else "the data directory is made with"
            )
            raise PlanError(
                f"{name} = {own} of {node.name} is less than the {max(made_with, primary)} that {origin}: "
                "a standby does not start with less",
                *_where(plan, node, name, place),
            )


def _check_room(plan: LabPlan, node: NodePlan, place: Keys) -> None:
    followers = [follower.name for follower in plan.followers(node.name)]
    for name in _ONE_A_FOLLOWER:
        own = _figure(plan, node, name, place)
        if own is not None and own < len(followers):
            raise PlanError(
                f"{name} = {own} of {node.name} is too few for its followers {', '.join(followers)}",
                *_where(plan, node, name, place),
            )


def _figure(plan: LabPlan, node: NodePlan, name: str, place: Keys) -> int | None:
    """A whole-number setting of that node; None where neither the plan nor the lab sets it."""
    text = plan.settings_of(node).get(name, DEFAULTS.get(name))
    try:
        return None if text is None else int(text, 0)
    except ValueError:
        raise PlanError(f"{name} is a whole number: found {text!r}", *_where(plan, node, name, place)) from None


def _where(plan: LabPlan, node: NodePlan, name: str, place: Keys) -> Keys:
    if name in node.settings:
        return (*place, name)
    return ("settings", name) if name in plan.settings else place[:-1]
