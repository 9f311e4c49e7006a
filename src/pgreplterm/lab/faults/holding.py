"""Sessions on a server that outlive the program that asked for them, held by a process of their own.

Owns: the order for such a process, starting it, its answer, and ending it and every session it had, wherever the
one who started it stopped. Must not: know what the sessions are for.

An order has a token, which names its file, its sessions and so its process: none of the three has to be recorded.
"""

from __future__ import annotations

import json
import secrets
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.lab import links, process
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import standing
from pgreplterm.lab.faults.record import FOLDER
from pgreplterm.lab.process import ProcessId
from pgreplterm.lab.state import replace_file

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

MODULE = "faults.session_holder"
STANDING_TIMEOUT = 20.0
END_TIMEOUT = 10.0
LOOK = 0.02
"""Seconds between two looks at what the holder says."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """What to hold. conninfo and parameters are psycopg's, statements are run in each session when it is opened.

    last is sent after these and not waited for. again: seconds after which it is sent once more when it has ended;
    where that is None the session ends with it and is not opened again, so that the server counts what it did.
    wanted: how many sessions, None for as many as the server lets in. retry: seconds between attempts to open one.
    """

    application_name: str
    conninfo: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    statements: tuple[str, ...] = ()
    last: str | None = None
    again: float | None = None
    wanted: int | None = 1
    retry: float = 0.5


@dataclass(frozen=True, slots=True)
class Standing:
    """How many sessions are held, and the last reason why there are no more; empty when there was none."""

    held: int = 0
    problem: str = ""


def new_token() -> str:
    """A name no other order has."""
    return secrets.token_hex(4)


def application_name(token: str) -> str:
    """What the sessions of that order call themselves."""
    return f"pgreplterm fault {token}"


def hold(lab: Lab, token: str, order: Sessions, condition: Callable[[Standing], bool], otherwise: str) -> Standing:
    """Start holding and wait until the answer meets the condition. Raises LabError that begins with ``otherwise``.

    As long as there come to be more sessions, there is no hurry.
    """
    holder = begin(lab, token, order)
    found, deadline = answer(lab, token), time.monotonic() + STANDING_TIMEOUT
    while not condition(found):
        if time.monotonic() > deadline or not process.is_running(holder):
            reason = found.problem or f"its log is {lab.directory}/{MODULE}.log"
            raise LabError(f"{otherwise}: {found.held} sessions are open ({reason})")
        time.sleep(LOOK)
        before, found = found, answer(lab, token)
        if found.held > before.held:
            deadline = time.monotonic() + STANDING_TIMEOUT
    return found


def begin(lab: Lab, token: str, order: Sessions) -> ProcessId:
    """Start holding; the process that does. Raises LabError."""
    path = _order_path(lab, token)
    path.parent.mkdir(exist_ok=True)
    replace_file(path, json.dumps(asdict(order)) + "\n", mode=0o600)
    return links.start_helper(lab.directory, MODULE, str(path))


def answer(lab: Lab, token: str) -> Standing:
    """The holder's latest answer; nothing held when it has not answered yet."""
    try:
        document = json.loads(answer_path(_order_path(lab, token)).read_text(encoding="utf-8"))
        return Standing(int(document["held"]), str(document["problem"]))
    except FileNotFoundError:
        return Standing()


def end(lab: Lab, token: str) -> None:
    """End the process that holds, if there is one, and remove its files. Raises LabError when it does not end."""
    path = _order_path(lab, token)
    path.unlink(missing_ok=True)  # first: a process that is only about to begin ends by that
    holders = [each for each in process.working_inside(lab.directory) if str(path) in each.info["cmdline"]]
    for number in (signal.SIGTERM, signal.SIGKILL):
        process.send(holders, number)
        holders = process.await_gone(holders, END_TIMEOUT)
    if holders:
        raise LabError(f"process {holders[0].pid}, which holds sessions of lab {lab.name!r}, does not end")
    answer_path(path).unlink(missing_ok=True)
    for unfinished in path.parent.glob(f".{path.stem}.*"):
        unfinished.unlink(missing_ok=True)


def end_sessions(lab: Lab, token: str, node: str) -> int:
    """End the sessions of that order on a node; how many there were. They end with a node that is not running.

    Raises LabError when they do not end, or the node does not answer.
    """
    if not standing.runs(lab, node):
        return 0
    name = application_name(token)
    with lab.connection(node) as link:

        def left() -> int:
            asked = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
            return link.execute(asked, [name]).rowcount

        found = left()
        if found and not process.wait_until(lambda: left() == 0, END_TIMEOUT, pause=LOOK):
            raise LabError(f"sessions called {name!r} on {node} do not end: look at them in pg_stat_activity")
    return found


def read_order(path: Path) -> Sessions:
    """The order in that file. Raises OSError, ValueError, TypeError."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return Sessions(**{**document, "statements": tuple(document["statements"])})


def answer_path(order: Path) -> Path:
    """Where the holder of the order in that file answers."""
    return order.with_suffix(".answer.json")


def _order_path(lab: Lab, token: str) -> Path:
    return lab.directory / FOLDER / f"sessions-{token}.json"
