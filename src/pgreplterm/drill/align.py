"""Bringing one node of a lab under the rightful primary, whatever a killed program left of it.

Owns: what it takes for that node: nothing, a start, another upstream, or to be brought back. Must not: choose the
primary, or replace files itself (``bringing_back``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.cluster.model import Rejoin, RejoinAction
from pgreplterm.drill.bringing_back import bring_back, checkpointed, end
from pgreplterm.drill.rejoining import keep_tail, verdict_on
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import mending, standing

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

Narrate = Callable[[str], None]


def bring_under(lab: Lab, name: str, primary: str, narrate: Narrate, kept: Sequence[Path] = ()) -> None:
    """Have that node follow the primary, directly or through the standby it follows. Raises PgReplTermError.

    kept is where the list may go of what only that node has, before it is overwritten.
    """
    unfinished = mending.is_unfinished(lab, name)
    if not unfinished and standing.is_standby(lab, name) and _goes_on(lab, name, primary, narrate):
        return
    end(lab, name)
    verdict = _verdict(lab, name, primary, unfinished)
    narrate(f"{name}: {verdict.action}, because {verdict.reason}")
    if not unfinished:
        keep_tail(lab, name, primary, verdict, kept, narrate)
    bring_back(lab, name, primary, verdict.action, narrate)


def by_distance(lab: Lab, primary: str) -> list[str]:
    """The other nodes in the order they are brought under it: whom others follow first, former primaries last.

    Who followed a former primary then follows the new one directly.
    """
    others = [node for node in lab.nodes if node.name != primary]
    return [node.name for node in sorted(others, key=lambda node: (node.upstream is None, _distance(lab, node.name)))]


def _goes_on(lab: Lab, name: str, primary: str, narrate: Narrate) -> bool:
    """Have a standby follow whom it ought to with the WAL it has; whether it does.

    Also one that seems to: whoever was killed may have recorded its upstream and not have told the server. One that
    followed somebody else is judged by its files first: with WAL past the fork it would seem to stream for ever.
    """
    if not _leads_to(lab, name, primary):
        return False
    upstream = lab.state.node(name).upstream
    assert upstream is not None
    try:
        if not lab.is_running(name):
            lab.start(name)
            narrate(f"{name} is started")
        lab.repoint(name, upstream)
    except LabError as error:
        narrate(f"{name} cannot follow {upstream} as it is: {error}")
        return False
    return True


def _distance(lab: Lab, name: str) -> int:
    state, hops, above = lab.state, 0, lab.state.node(name).upstream
    while above is not None and hops < len(state.nodes):
        hops, above = hops + 1, state.node(above).upstream
    return hops


def _verdict(lab: Lab, name: str, primary: str, unfinished: bool) -> Rejoin:
    if unfinished:
        return Rejoin(RejoinAction.REBUILD, "its files were being replaced when that was interrupted")
    checkpointed(lab, primary)
    return verdict_on(lab, name, primary)


def _leads_to(lab: Lab, name: str, primary: str) -> bool:
    """Whether the nodes it follows, one after the other, end at that primary."""
    state = lab.state
    above, seen = state.node(name).upstream, {name}
    while above is not None and above not in seen:
        if above == primary:
            return True
        seen.add(above)
        above = state.node(above).upstream
    return False
