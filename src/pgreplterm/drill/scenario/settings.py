"""Settings a scenario changes on a server of its lab, and their undo.

Owns: applying them until new sessions have them, and the undo as data. Must not: choose any.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pgreplterm.drill import undo as undos
from pgreplterm.drill.procedure import Undo
from pgreplterm.errors import DrillFailed
from pgreplterm.lab.faults import settings

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

RELOADED_WITHIN = 5.0
_LOOK = 0.01
_LOADED = "SELECT extract(epoch FROM pg_conf_load_time())::float8"
_PENDING = "SELECT string_agg(name, ', ') FROM pg_settings WHERE pending_restart AND name = ANY(%s)"


def undo_of(lab: Lab, nodes: Sequence[str], values: Mapping[str, str]) -> Undo:
    """What gives these settings back as they are now."""
    changes = [change for node in nodes for change in settings.plan(lab, node, values)]
    sentence = f"give back {', '.join(values)} on {', '.join(nodes)}"
    return undos.restore_settings(json.dumps(changes), sentence)


def apply(lab: Lab, node: str, values: Mapping[str, str], restart: bool) -> None:
    """ALTER SYSTEM, reload, and wait until a new session has them. Raises DrillFailed, LabError."""
    before = _loaded(lab, node)
    settings.apply(lab, {settings.KEY: settings.plan(lab, node, values)})
    if restart:
        lab.stop(node)
        lab.start(node)
        return
    deadline = time.monotonic() + RELOADED_WITHIN
    while _loaded(lab, node) <= before:
        if time.monotonic() > deadline:
            raise DrillFailed(f"expected {node} to load its settings within {RELOADED_WITHIN:.0f} s; it did not.")
        time.sleep(_LOOK)
    with lab.connection(node) as link:
        row = link.execute(_PENDING, (list(values),)).fetchone()
    if row is not None and row[0] is not None:
        raise DrillFailed(f"{row[0]} on {node} changes only with a restart: say restart = true")


def _loaded(lab: Lab, node: str) -> float:
    with lab.connection(node) as link:
        row = link.execute(_LOADED).fetchone()
    return float(row[0]) if row is not None else 0.0
