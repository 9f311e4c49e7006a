"""Making the plan of a drill: its checks and its steps on the cluster as it is now.

Owns: that value, and what it depends on.
Must not: draw, or change anything; checks look at servers, so this is not for the event loop.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pgreplterm.drill.check import Check, refusals
from pgreplterm.drill.request import Kind
from pgreplterm.errors import PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.drill.procedure import Option
    from pgreplterm.tui.drills.entries import Entry

LOSING = ("failover",)  # drills that give up what only the primary has
Shape = tuple[tuple[str, str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """steps are (what will be done, why). shape is what the plan was made for, None for a scenario.

    trouble is why there is none.
    """

    arguments: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[tuple[str, str], ...] = ()
    checks: tuple[Check, ...] = ()
    shape: Shape | None = None
    risk: str = ""
    trouble: str = ""

    @property
    def refusal(self) -> str | None:
        """Why it may not run, or None."""
        if self.trouble:
            return self.trouble
        forbids = refusals(self.checks)
        if not forbids:
            return None
        more = f" (and {len(forbids) - 1} more)" if len(forbids) > 1 else ""
        return f"{forbids[0].name}: {forbids[0].evidence}{more}"


def shape(snapshot: ClusterSnapshot) -> Shape:
    """What a plan depends on: each node's role and timeline."""
    return tuple((node.name, str(node.role), node.timeline) for node in snapshot.nodes)


def make(entry: Entry, lab: str, snapshot: ClusterSnapshot | None, arguments: Mapping[str, str]) -> Plan:
    """The plan now. Never raises: what goes wrong is the reason why there is no plan."""
    try:
        if entry.kind is Kind.SCENARIO:
            return Plan(arguments, entry.steps, trouble=entry.trouble)
        missing = [name for name, option in entry.options.items() if option.required and not arguments.get(name)]
        if missing:
            return Plan(arguments, trouble=f"expected {', '.join(missing)} to be set, found nothing; press o")
        if snapshot is None:
            return Plan(arguments, trouble="the cluster has not been sampled yet")
        return _drill(entry, lab, snapshot, arguments)
    except PgReplTermError as error:
        return Plan(arguments, trouble=str(error))
    except Exception as error:  # a defect in a check is a plan that cannot be made, never the end of the screen
        return Plan(arguments, trouble=f"the plan could not be made ({type(error).__name__}: {error})")


def _drill(entry: Entry, lab: str, snapshot: ClusterSnapshot, arguments: Mapping[str, str]) -> Plan:
    from pgreplterm.drill.procedure import Scene
    from pgreplterm.drill.procedures import find
    from pgreplterm.lab.lab import Lab

    procedure = find(entry.name)(Scene(Lab.load(lab), snapshot, arguments))
    checks = procedure.preflight()
    steps = tuple((step.will, step.why) for step in procedure.steps())
    loses = risk(snapshot) if entry.name in LOSING else ""
    return Plan(arguments, steps, checks, shape(snapshot), loses)


def risk(snapshot: ClusterSnapshot) -> str:
    """What would be lost with the primary now: what the best standby lacks."""
    from pgreplterm.cluster.words import size_in_words
    from pgreplterm.drill.choose import bytes_at_risk

    lacks = bytes_at_risk(snapshot, snapshot.primaries[0].name) if snapshot.primaries else None
    if lacks is None:
        return "How far the standbys are behind is unknown, and so is what would be lost with the primary."
    if lacks == 0:
        return "A standby had all that was written at the last tick; what it lacks when the primary goes is lost."
    return f"The best standby lacks {size_in_words(lacks)}, which would be lost with the primary."


def arguments_of(text: str, options: Mapping[str, Option]) -> dict[str, str]:
    """``name=value`` pairs as typed; a name without a value is the default. Raises ValueError with one sentence."""
    found: dict[str, str] = {}
    for pair in shlex.split(text):
        name, equals, value = pair.partition("=")
        if not equals or name not in options:
            known = ", ".join(f"{each}=..." for each in options) or "no options"
            raise ValueError(f"expected {known}, found {pair!r}")
        if value and value != options[name].default:
            found[name] = value
    return found


def typed(arguments: Mapping[str, str], options: Mapping[str, Option]) -> str:
    """The inverse, with the defaults, so that what may be typed is to be seen."""
    pairs: Sequence[str] = [f"{name}={arguments.get(name, option.default)}" for name, option in options.items()]
    return " ".join(shlex.quote(pair) if " " in pair else pair for pair in pairs)
