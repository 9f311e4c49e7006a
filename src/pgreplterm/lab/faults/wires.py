"""The condition of a lab's links, as faults change it.

Owns: changing one link under the lab's transaction, for several faults that each own a part of its condition.
Must not: know which fault wants what.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pgreplterm.lab import linkage, state
from pgreplterm.lab.link_condition import CLEAR, LinkCondition
from pgreplterm.lab.site import Site

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab


def condition(lab: Lab, name: str) -> LinkCondition:
    """What is wrong with that link now. Raises LabError when there is no such link."""
    return linkage.condition_of(Site.of(lab.directory), name)


def change(lab: Lab, name: str, changed: Callable[[LinkCondition], LinkCondition]) -> bool:
    """Have the link be as ``changed`` makes it; whether that differs from before. A link that is gone is left alone."""
    with state.transaction(lab.directory):
        if name not in (edge.name for edge in lab.edges):
            return False
        site = Site.of(lab.directory)
        before = linkage.condition_of(site, name)
        wanted = changed(before)
        if wanted == before:
            return False
        linkage.set_condition(site, name, wanted)
    return True


def clear(lab: Lab, name: str) -> bool:
    """Have nothing be wrong with the link; whether something was."""
    return change(lab, name, lambda _: CLEAR)


def reset(lab: Lab, name: str) -> None:
    """Reset every connection of the link, once."""
    with state.transaction(lab.directory):
        linkage.reset(Site.of(lab.directory), name)
