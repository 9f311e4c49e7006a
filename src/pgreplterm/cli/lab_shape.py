"""What ``lab up`` is asked to build: a number of standbys, a --shape, or a lab file.

Owns: those arguments, and which of them go together. Must not: know what a plan may be.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from pgreplterm.lab.lab import LabSpec
    from pgreplterm.lab.shape.plan import LabPlan

Command = TypeVar("Command", bound=Callable[..., Any])

_IN_THE_FILE = ("shape", "standbys", "cascades", "segment_size", "synchronous", "archive")
_IN_THE_SHAPE = ("standbys", "cascades")
_TYPED = {"cascades": "--cascade"}


def shape_options(command: Command) -> Command:
    """FILE, --shape, --synchronous and --archive."""
    for option in (
        click.option("--archive", is_flag=True, help="Archive finished WAL segments in the lab's folder."),
        click.option("--synchronous", metavar="RULE", default="", help="Such as 'ANY 1 (pg2, pg3)' or 'FIRST 1 (*)'."),
        click.option("--shape", metavar="TREE", help="Any tree, such as 'pg1(pg2(pg4), pg3@30s)'; * names a node."),
        click.argument("file", required=False, type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


def spec_of(file: Path | None, shape: str | None, synchronous: str, archive: bool, **wanted: Any) -> LabSpec:
    """The lab that the arguments of the current command describe. Raises LabError, UsageError."""
    from dataclasses import replace

    from pgreplterm.lab.backend import Kind
    from pgreplterm.lab.lab import LabSpec

    _refuse_mixture(file, shape)
    plan = _plan(file, shape, wanted["segment_size"])
    if plan is not None:
        wanted["name"] = wanted["name"] if _is_typed("name") else plan.name
        wanted["backend"] = wanted["backend"] if _is_typed("backend") else plan.backend or wanted["backend"]
    spec = LabSpec(**{**wanted, "backend": Kind(wanted["backend"])}, plan=plan)
    if synchronous or archive:
        return replace(spec, plan=replace(spec.planned(), synchronous=synchronous, archive=archive))
    return spec


def _plan(file: Path | None, shape: str | None, segment_size: int) -> LabPlan | None:
    from pgreplterm.lab.shape.lab_file import read_lab_file
    from pgreplterm.lab.shape.plan import LabPlan
    from pgreplterm.lab.shape.tree import read_shape

    if file is not None:
        return read_lab_file(file)
    if shape is not None:
        return LabPlan(read_shape(shape), segment_size=segment_size)
    return None


def _refuse_mixture(file: Path | None, shape: str | None) -> None:
    """Raises UsageError for an argument that would be passed over."""
    for given, others in ((file, _IN_THE_FILE), (shape, _IN_THE_SHAPE)):
        typed = [name for name in others if _is_typed(name)]
        if given is not None and typed:
            option = _TYPED.get(typed[0], f"--{typed[0].replace('_', '-')}")
            what = "the lab file" if given is file else "--shape"
            raise click.UsageError(f"{option} does not go with {what}: say it there")


def _is_typed(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE
