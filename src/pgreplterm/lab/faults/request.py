"""What a user asks for, made exact: the target as the lab calls it, and a value for every option.

Owns: those checks and their sentences. Must not: look at a server.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults.fault import Aim, Fault, Order
from pgreplterm.lab.faults.registry import nearest

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

LONGEST = 86_400.0
"""Seconds a fault may be asked to last."""


def order_of(lab: Lab, fault: Fault, target: str, options: Mapping[str, float]) -> Order:
    """The exact order. Raises LabError saying what was expected."""
    aimed = _link(lab, fault, target) if fault.aim is Aim.LINK else _node(lab, fault, target)
    return Order(aimed, _complete(fault, options))


def targets(lab: Lab, fault: Fault) -> tuple[str, ...]:
    """Everything of the lab that this fault can be aimed at."""
    return tuple(each.name for each in (lab.edges if fault.aim is Aim.LINK else lab.nodes))


def check_duration(seconds: float | None) -> None:
    """Raises LabError when a fault cannot last that long."""
    if seconds is not None and not 0 < seconds <= LONGEST:
        raise LabError(f"a fault lasts more than 0 and at most {LONGEST:.0f} seconds: asked for {seconds:g}")


def _node(lab: Lab, fault: Fault, target: str) -> str:
    names = targets(lab, fault)
    if target not in names:
        raise LabError(f"{fault.name} is aimed at a node: lab {lab.name!r} has {_listed(names)}, found {target!r}")
    return target


def _link(lab: Lab, fault: Fault, target: str) -> str:
    """The name of an edge, also when only its downstream was named."""
    names = targets(lab, fault)
    if target in names:
        return target
    into = [edge.name for edge in lab.edges if edge.downstream == target]
    if len(into) == 1:
        return into[0]
    raise LabError(
        f"{fault.name} is aimed at a link, named by both of its ends or by its downstream: lab {lab.name!r} has "
        f"{_listed(tuple(into) or names)}, found {target!r}"
    )


def _complete(fault: Fault, options: Mapping[str, float]) -> dict[str, float]:
    for name, value in options.items():
        if name not in fault.options:
            raise LabError(
                f"{fault.name} has no option {name!r}{nearest(name, fault.options)} it has {_listed(fault.options)}"
            )
        if not math.isfinite(value) or value < 0:
            raise LabError(f"{name} of {fault.name} is a number of {fault.options[name].unit}: found {value:g}")
    return {name: options.get(name, option.default) for name, option in fault.options.items()}


def _listed(names: Mapping[str, object] | tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
