"""How a step is taken back: the actions a journal may name, each right after a step that stopped anywhere, and twice.

Owns: those actions. Must not: decide which are still due (``mend``), or bring nodes back into line (``mend``, too).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgreplterm.drill.procedure import Undo
from pgreplterm.errors import DrillFailed
from pgreplterm.lab import process
from pgreplterm.lab.server import read_lock_file

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab
    from pgreplterm.lab.load.plan import Plan

STOP_TIMEOUT = 60.0
"""Seconds a shutdown that is under way may take."""


def start_node(node: str, until: str | None = None) -> Undo:
    """Start it again, as whatever it was."""
    return Undo("start-node", f"start {node}", {"node": node}, until)


def stop_probers() -> Undo:
    """End the clients that write."""
    return Undo("stop-probers", "stop the prober")


def stop_load() -> Undo:
    """End the load."""
    return Undo("stop-load", "stop the load")


def start_load(plan: Plan) -> Undo:
    """Have the load write again that was stopped for a while."""
    return Undo("start-load", "start the load again", {"plan": plan.to_json()})


def remove_node(node: str) -> Undo:
    """Take a node out that was being added."""
    return Undo("remove-node", f"remove {node}", {"node": node})


def remove_recovered(name: str) -> Undo:
    """End a node that was being recovered to a point in time."""
    return Undo("remove-recovered", f"remove the recovered node {name}", {"name": name})


def set_setting(node: str, name: str, value: str | None) -> Undo:
    """ALTER SYSTEM back to that value, RESET where there was none, and reload."""
    sentence = f"set {name} on {node} back to {value!r}" if value is not None else f"reset {name} on {node}"
    return Undo("set-setting", sentence, {"node": node, "name": name, "value": value})


def repoint(node: str, upstream: str) -> Undo:
    """Have a standby follow the node again that it followed, if that still runs."""
    return Undo("repoint", f"have {node} follow {upstream} again", {"node": node, "upstream": upstream})


def set_synchronous(rule: str, commit: str | None = None) -> Undo:
    """What commits wait for, as it was; commit None leaves synchronous_commit alone."""
    sentence = f"set synchronous_standby_names back to {rule!r}"
    return Undo("set-synchronous", sentence, {"rule": rule, "commit": commit})


def heal_faults() -> Undo:
    """Heal every fault of the lab."""
    return Undo("heal-faults", "heal the faults")


def restore_settings(changes: str, sentence: str) -> Undo:
    """Give back settings as ``lab.faults.settings`` found them: changes is its plan as JSON."""
    return Undo("restore-settings", sentence, {"changes": changes})


def run(lab: Lab, undo: Undo) -> None:
    """Do it. Raises PgReplTermError, and DrillFailed for an action there is not."""
    action = ACTIONS.get(undo.action)
    if action is None:
        raise DrillFailed(f"expected an undo among {', '.join(sorted(ACTIONS))}, found {undo.action!r} in the journal.")
    action(lab, undo.arguments)


def _start_node(lab: Lab, arguments: Mapping[str, Any]) -> None:
    _await_end_of_stop(lab, arguments["node"])
    if not lab.is_running(arguments["node"]):
        lab.start(arguments["node"])


def _await_end_of_stop(lab: Lab, node: str) -> None:
    """A shutdown goes on without whoever asked for it; until it is over the server can be neither used nor started."""
    data = Path(lab.state.node(node).data_directory)

    def over() -> bool:
        lock = read_lock_file(data)
        return lock is None or lock.status != "stopping" or not lab.is_running(node)

    process.wait_until(over, STOP_TIMEOUT, pause=0.02)


def _stop_probers(lab: Lab, _: Mapping[str, Any]) -> None:
    lab.stop_probers()


def _stop_load(lab: Lab, _: Mapping[str, Any]) -> None:
    lab.stop_load()


def _start_load(lab: Lab, arguments: Mapping[str, Any]) -> None:
    from pgreplterm.lab.load.plan import from_json

    status = lab.load_status()
    if status is None or not status.running:
        lab.start_load(plan=from_json(arguments["plan"]))


def _remove_node(lab: Lab, arguments: Mapping[str, Any]) -> None:
    if any(node.name == arguments["node"] for node in lab.nodes):
        lab.remove_node(arguments["node"])


def _remove_recovered(lab: Lab, arguments: Mapping[str, Any]) -> None:
    if any(node.name == arguments["name"] for node in lab.recovered):
        lab.remove_recovered(arguments["name"])


def _set_setting(lab: Lab, arguments: Mapping[str, Any]) -> None:
    from pgreplterm.lab.faults import settings

    settings.put_back(lab, arguments["node"], arguments["name"], arguments["value"])


def _repoint(lab: Lab, arguments: Mapping[str, Any]) -> None:
    node, upstream = arguments["node"], arguments["upstream"]
    runs = lab.is_running(node) and lab.is_running(upstream)
    if runs and lab.state.node(node).upstream not in (upstream, None):
        lab.repoint(node, upstream)


def _set_synchronous(lab: Lab, arguments: Mapping[str, Any]) -> None:
    lab.set_synchronous(arguments["rule"], arguments.get("commit"))


def _heal_faults(lab: Lab, _: Mapping[str, Any]) -> None:
    from pgreplterm.lab.faults import engine

    healing = engine.heal(lab, None, lambda _: None)
    if healing.errors:
        raise DrillFailed("; ".join(healing.errors))


def _restore_settings(lab: Lab, arguments: Mapping[str, Any]) -> None:
    from pgreplterm.lab.faults import settings

    settings.restore(lab, {settings.KEY: json.loads(arguments["changes"])})


ACTIONS: Mapping[str, Callable[[Lab, Mapping[str, Any]], None]] = {
    "start-node": _start_node,
    "stop-probers": _stop_probers,
    "stop-load": _stop_load,
    "start-load": _start_load,
    "remove-node": _remove_node,
    "remove-recovered": _remove_recovered,
    "set-setting": _set_setting,
    "repoint": _repoint,
    "set-synchronous": _set_synchronous,
    "heal-faults": _heal_faults,
    "restore-settings": _restore_settings,
}
