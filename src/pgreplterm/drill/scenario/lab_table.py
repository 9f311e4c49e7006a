"""The lab of a scenario: its table [lab].

Owns: which keys of a lab file it has, and a shape in place of nodes. Must not: know the keys themselves
(``lab.shape.lab_file``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pgreplterm.drill.scenario.errors import SchemaError, shown
from pgreplterm.lab.shape.check import checked
from pgreplterm.lab.shape.errors import PlanError, ShapeError
from pgreplterm.lab.shape.lab_file import LAB_KEYS, plan_of
from pgreplterm.lab.shape.plan import LabPlan, NodePlan
from pgreplterm.lab.shape.tree import read_shape
from pgreplterm.unknown_name import unknown

_NOT_OF_A_LAB = {
    "name": "a run names its lab with --lab",
    "backend": "a run chooses it with --backend",
    "postgresql": "a run chooses it with --pg-bin",
}


def read_lab(given: Mapping[str, Any]) -> LabPlan:
    """The plan of that table, checked. Raises SchemaError."""
    table = dict(given)
    for name, why in _NOT_OF_A_LAB.items():
        if name in table:
            raise SchemaError(f"{name} does not stand in a scenario: {why}", "lab", name)
    allowed = ("shape", *(key for key in LAB_KEYS if key not in _NOT_OF_A_LAB))
    for name in table:
        if name not in allowed:
            raise SchemaError(unknown("key", name, allowed, " in [lab]"), "lab", name)
    shape = table.pop("shape", None)
    if (shape is None) == ("node" not in table):
        raise SchemaError("[lab] has either a shape or tables [[lab.node]]: found " + _both_or_none(shape), "lab")
    try:
        plan = plan_of(table)
        if shape is not None:
            plan = replace(plan, nodes=_nodes(shape))
        return checked(plan)
    except PlanError as error:
        raise SchemaError(str(error), "lab", *error.keys) from None


def _both_or_none(shape: Any) -> str:
    return "neither" if shape is None else "both"


def _nodes(shape: Any) -> tuple[NodePlan, ...]:
    if not isinstance(shape, str):
        raise PlanError(f"shape is a text such as 'pg1(pg2, pg3)': found {shown(shape)}", "shape")
    try:
        return read_shape(shape)
    except ShapeError as error:
        raise PlanError(str(error).splitlines()[0].removeprefix("--"), "shape") from None
