"""Whether a plan can be built.

Owns: the order of the rules, those about names and figures, and the final form of a plan (the primary first).
Must not: look at the machine: which majors are installed is for ``binaries``.
"""

from __future__ import annotations

import re
from dataclasses import replace

from pgreplterm.lab import places
from pgreplterm.lab.config import ARCHIVE
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.shape import capacity, descent, settings
from pgreplterm.lab.shape.errors import PlanError
from pgreplterm.lab.shape.plan import MOST_NODES, LabPlan
from pgreplterm.lab.shape.synchronous import canonical

MAJORS = range(13, 100)
SEGMENTS = frozenset(1 << power for power in range(11))

_NODE = re.compile(r"[a-z][a-z0-9_]{0,30}\Z")
_TAKEN = frozenset({ARCHIVE, "backups", "runtime", "pgpass", "any", "first"})
"""Files of the lab beside the nodes' folders, and keywords of synchronous_standby_names."""

_DELAY = re.compile(r"([0-9]{1,10})\s*(ms|s|min|h|d)\Z")
_MILLISECONDS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST_DELAY = 2**31 - 1


def checked(plan: LabPlan) -> LabPlan:
    """The plan in its final form: primary first, names of settings in small letters. Raises PlanError."""
    _check_figures(plan)
    _check_names(plan)
    descent.check(plan)
    nodes = [
        replace(
            node,
            delay=_delay(plan, number),
            settings=settings.checked(node.settings, "node", str(number), "settings"),
        )
        for number, node in enumerate(plan.nodes)
    ]
    found = replace(plan, nodes=tuple(nodes), settings=settings.checked(plan.settings, "settings"))
    capacity.check(found)
    others = tuple(node for node in found.nodes if node.follows is not None)
    return replace(found, nodes=(found.primary, *others), synchronous=canonical(found))


def check_node_name(name: str, *keys: str) -> None:
    """Raises PlanError when it cannot be a folder, a slot and an application_name at once."""
    if not _NODE.match(name):
        raise PlanError(
            "a node's name is 1 to 31 characters of a-z, 0-9 and _, beginning with a letter, "
            f"since its slot bears it: found {name!r}",
            *keys,
        )
    if name in _TAKEN:
        raise PlanError(f"no node can be called {name}: the word has another meaning in a lab", *keys)


def read_delay(text: str, *keys: str) -> str | None:
    """A delay as the server takes it, None for no delay at all. Raises PlanError."""
    found = _DELAY.match(text.strip())
    if found is None:
        raise PlanError(f"a delay is a whole number with ms, s, min, h or d, such as 30s: found {text!r}", *keys)
    if int(found[1]) * _MILLISECONDS[found[2]] > _LONGEST_DELAY:
        raise PlanError(f"a delay is at most {_LONGEST_DELAY} ms, not quite 25 days: found {text!r}", *keys)
    return f"{int(found[1])}{found[2]}" if int(found[1]) else None


def _check_figures(plan: LabPlan) -> None:
    try:
        places.check_name(plan.name)
    except LabError as error:
        raise PlanError(str(error), "name") from None
    if plan.segment_size not in SEGMENTS:
        raise PlanError(f"a WAL segment is 1, 2, 4, ... 1024 MiB: asked for {plan.segment_size}", "segment_size")
    if isinstance(plan.postgresql, int) and plan.postgresql not in MAJORS:
        raise PlanError(
            f"PostgreSQL is named by its major version, such as 18, or by its bin directory: found {plan.postgresql}",
            "postgresql",
        )
    if not plan.nodes:
        raise PlanError("a lab has at least one node, the primary: found none")
    if len(plan.nodes) > MOST_NODES:
        raise PlanError(f"a lab has at most {MOST_NODES} nodes: asked for {len(plan.nodes)}", "node", str(MOST_NODES))


def _check_names(plan: LabPlan) -> None:
    seen: set[str] = set()
    for number, node in enumerate(plan.nodes):
        check_node_name(node.name, "node", str(number), "name")
        if node.name in seen:
            raise PlanError(f"two nodes are called {node.name}", "node", str(number), "name")
        seen.add(node.name)


def _delay(plan: LabPlan, number: int) -> str | None:
    node, place = plan.nodes[number], ("node", str(number), "delay")
    if node.delay is None:
        return None
    if node.follows is None:
        raise PlanError(f"{node.name} is the primary and replays nothing: only a standby has a delay", *place)
    return read_delay(node.delay, *place)
