"""Who is what in a lab now, as far as session faults need it.

Owns: reading primaries, upstreams and downstreams off the lab's files. Must not: change anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from pgreplterm.errors import PgReplTermError
from pgreplterm.lab import server
from pgreplterm.lab.errors import LabError

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab


def runs(lab: Lab, node: str) -> bool:
    """Whether its postmaster lives (frozen counts); no node that was removed from the lab does."""
    return any(each.name == node for each in lab.nodes) and lab.is_running(node)


def is_standby(lab: Lab, node: str) -> bool:
    """Whether it starts as a standby, or did and has not been promoted since."""
    return server.is_standby(lab.state.node(node))


def primaries(lab: Lab) -> tuple[str, ...]:
    """The nodes that run and are no standbys: one, unless the lab is in trouble."""
    return tuple(node.name for node in lab.nodes if lab.is_running(node.name) and not server.is_standby(node))


def primary_of(lab: Lab, node: str) -> str:
    """The node whose WAL this one replays in the end; itself when it is no standby. Raises LabError."""
    state = lab.state
    above = state.node(node)
    for _ in state.nodes:
        if not server.is_standby(above):
            return above.name
        if above.upstream is None:
            break
        above = state.node(above.upstream)
    raise LabError(f"{node} follows no primary of the lab")


def downstreams(lab: Lab, node: str) -> tuple[str, ...]:
    """The nodes that are set to stream from it."""
    return tuple(each.name for each in lab.nodes if each.upstream == node)


def refusal(lab: Lab, node: str, query: LiteralString) -> str | None:
    """Why not, by a query that answers with a sentence or null; also why the node cannot be asked."""
    try:
        with lab.connection(node) as link:
            row = link.execute(query).fetchone()
    except PgReplTermError as error:
        return str(error)
    return None if row is None else row[0]
