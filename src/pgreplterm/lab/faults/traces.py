"""What faults made of sessions leave behind, and its removal.

Owns: the form of their undo, and the one heal they share. Must not: know what a fault is for.

An undo names everything by the token, so it is complete before the injection begins:
``{"token": ..., "node": ..., "settings": [...], "drops": ["TABLE pgreplterm_fault_0123abcd"]}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import holding, settings, standing
from pgreplterm.lab.faults.fault import Undo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgreplterm.lab.lab import Lab


def undo_of(
    lab: Lab, node: str, values: Mapping[str, str] | None = None, makes: str | None = None, **more: Any
) -> dict[str, Any]:
    """The undo of a fault that holds sessions on a node, changes these settings there, and makes a TABLE or a ROLE."""
    token = holding.new_token()
    drops = [] if makes is None else [f"{makes} {object_name(token)}"]
    return {"token": token, "node": node, settings.KEY: settings.plan(lab, node, values or {}), "drops": drops, **more}


def object_name(token: str) -> str:
    """The table or role that a fault makes."""
    return f"pgreplterm_fault_{token}"


def remove(lab: Lab, undo: Undo) -> str:
    """Take everything away that an injection may have left, in the order that lets each go. Raises LabError."""
    token, node = str(undo["token"]), str(undo["node"])
    holding.end(lab, token)
    settings.restore(lab, undo)  # before its sessions: one that waits for a standby wakes by that
    ended = holding.end_sessions(lab, token, node)
    for what in undo["drops"]:
        _drop(lab, what)
    done = (
        ["its sessions are gone"] if ended or standing.runs(lab, node) else [f"{node} does not run, nor its sessions"]
    )
    done += [f"{change.name} of {node} is as before" for change in settings.changes(undo)]
    done += [f"{what.partition(' ')[2]} is dropped" for what in undo["drops"]]
    return "; ".join(done)


def _drop(lab: Lab, what: str) -> None:
    """Wherever it may have come to be: a failover may have made another node the one that has it."""
    found = standing.primaries(lab)
    if not found:
        raise LabError(f"{what.partition(' ')[2]} cannot be dropped while no primary runs: start one and heal again")
    for primary in found:
        with lab.connection(primary) as link:
            link.execute(f"DROP {what.partition(' ')[0]} IF EXISTS {what.partition(' ')[2]}".encode())
