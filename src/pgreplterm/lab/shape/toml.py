"""A plan as the text of a lab file.

Owns: that text, from which ``lab_file`` reads the same plan. Must not: read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pgreplterm.lab.shape.plan import LabPlan

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def plan_to_toml(plan: LabPlan) -> str:
    """The file; what a plan leaves open is not in it."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: LabPlan) -> Iterator[str]:
    yield f"name = {_quoted(plan.name)}"
    if plan.backend is not None:
        yield f"backend = {_quoted(plan.backend)}"
    if plan.postgresql is not None:
        named = plan.postgresql
        yield f"postgresql = {named if isinstance(named, int) else _quoted(str(named))}"
    yield f'segment_size = "{plan.segment_size}MB"'
    yield f"fsync = {str(plan.fsync).lower()}"
    yield f"archive = {str(plan.archive).lower()}"
    if plan.synchronous:
        yield f"synchronous = {_quoted(plan.synchronous)}"
    yield from _table("settings", plan.settings)
    for node in plan.nodes:
        yield ""
        yield "[[node]]"
        yield f"name = {_quoted(node.name)}"
        if node.follows is not None:
            yield f"follows = {_quoted(node.follows)}"
        if node.delay is not None:
            yield f"delay = {_quoted(node.delay)}"
        yield from _table("node.settings", node.settings)


def _table(title: str, settings: Mapping[str, str]) -> Iterator[str]:
    if settings:
        yield ""
        yield f"[{title}]"
    for name, value in settings.items():
        yield f"{name if _BARE.match(name) else _quoted(name)} = {_quoted(value)}"


def _quoted(text: str) -> str:
    """A basic string; what could move a terminal's cursor is escaped."""
    return f'"{"".join(_escaped(letter) for letter in text)}"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    return letter if letter.isprintable() else f"\\U{ord(letter):08X}"
