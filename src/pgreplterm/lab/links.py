"""The replication edges of a lab and the relay process that carries them.

Owns: ``links.json``, starting the relay, and awaiting its acknowledgement of a change. Must not: move bytes, or
decide what is wrong with a link.

Every edge "pg2<-pg1" (downstream first) has a port of its own, so that it can be faulted without touching the
configuration of a server.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pgreplterm
from pgreplterm.lab import process
from pgreplterm.lab.conninfo import HOST
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.link_condition import CLEAR, BadCondition, LinkCondition, parse
from pgreplterm.lab.process import ProcessId
from pgreplterm.lab.state import replace_file

FILE_NAME = "links.json"
RELAY_TIMEOUT = 15.0
"""Seconds to wait for the relay's acknowledgement; it takes milliseconds unless the machine is starved."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One replication edge: the relay listens on ``listen`` and forwards to the upstream's own port.

    resets grows by one for each reset of all its connections.
    """

    downstream: str
    upstream: str
    listen: int
    target_port: int
    listen_host: str = HOST
    target_host: str = HOST
    condition: LinkCondition = CLEAR
    resets: int = 0

    @property
    def name(self) -> str:
        """How the edge is called everywhere."""
        return edge_name(self.downstream, self.upstream)


@dataclass(frozen=True, slots=True)
class Links:
    """All edges of a lab; serial grows with every change."""

    serial: int = 0
    edges: tuple[Edge, ...] = ()

    def edge(self, downstream: str, upstream: str) -> Edge | None:
        """The edge between those two nodes, or None."""
        wanted = edge_name(downstream, upstream)
        return next((edge for edge in self.edges if edge.name == wanted), None)

    def with_edge(self, edge: Edge) -> Links:
        """The same with one edge more (or replaced)."""
        return Links(self.serial + 1, (*self._except({edge.name}), edge))

    def without(self, edges: Iterable[Edge]) -> Links:
        """The same with some edges less."""
        return Links(self.serial + 1, self._except({edge.name for edge in edges}))

    def into(self, downstream: str) -> tuple[Edge, ...]:
        """The edges that feed one node: one, or two while it is being repointed."""
        return tuple(edge for edge in self.edges if edge.downstream == downstream)

    def _except(self, names: set[str]) -> tuple[Edge, ...]:
        return tuple(edge for edge in self.edges if edge.name not in names)


class RelaySilent(LabError):
    """The relay did not acknowledge a change, or ended meanwhile."""


def edge_name(downstream: str, upstream: str) -> str:
    """``downstream<-upstream``."""
    return f"{downstream}<-{upstream}"


def read(directory: Path) -> Links:
    """The edges of the lab in that folder. Raises LabError."""
    path = directory / FILE_NAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Links(int(document["serial"]), tuple(_edge(edge) for edge in document["edges"]))
    except (OSError, ValueError, KeyError, TypeError, BadCondition) as error:
        raise LabError(f"{path} cannot be read ({type(error).__name__}): take the lab down and up again") from None


def write(directory: Path, links: Links) -> None:
    """Replace the file; the relay reads it when told to."""
    edges = [
        {"name": edge.name, **asdict(replace(edge, condition=CLEAR)), "condition": edge.condition.document()}
        for edge in links.edges
    ]
    replace_file(directory / FILE_NAME, json.dumps({"serial": links.serial, "edges": edges}, indent=1) + "\n")


def start_relay(directory: Path) -> ProcessId:
    """Start the relay of that lab; it still has to acknowledge."""
    _acknowledgement(directory).unlink(missing_ok=True)
    return start_helper(directory, "relay", str(directory / FILE_NAME))


def reload_relay(directory: Path, relay: ProcessId, serial: int) -> None:
    """Have a running relay read the file again and wait until it serves that serial. Raises LabError."""
    _acknowledgement(directory).unlink(missing_ok=True)  # what it said before is no answer to this
    process.send([found for found in [process.find(relay)] if found is not None], signal.SIGHUP)
    await_relay(directory, relay, serial)


def await_relay(directory: Path, relay: ProcessId | None, serial: int) -> None:
    """Wait for the acknowledgement of that serial. Raises LabError.

    That is when a port is taken, the file cannot be used, or the relay ended.
    """
    acknowledgement = _acknowledgement(directory)
    answer: dict[str, object] = {}

    def settled() -> bool:
        if acknowledgement.exists():
            answer.update(json.loads(acknowledgement.read_text(encoding="utf-8")))
        arrived = relay is not None and answer.get("pid") == relay.pid and answer.get("serial") in (serial, None)
        return arrived or not process.is_running(relay)

    done = process.wait_until(settled, RELAY_TIMEOUT)
    if done and answer.get("complaint"):
        raise LabError(f"the relay changed nothing: {answer['complaint']}")
    errors = answer.get("errors")
    if done and isinstance(errors, dict) and errors:
        edge, reason = next(iter(errors.items()))
        raise LabError(f"the relay cannot serve the edge {edge}: {reason}")
    if not done or not process.is_running(relay):
        raise RelaySilent(f"the relay of lab {directory.name!r} does not answer: its log is {directory / 'relay.log'}")


def start_helper(directory: Path, module: str, *arguments: str) -> ProcessId:
    """Start ``python -m pgreplterm.lab.MODULE`` as ourselves, detached, logging to MODULE.log. Raises LabError."""
    argv = [sys.executable, "-m", f"pgreplterm.lab.{module}", *arguments]
    try:
        with (directory / f"{module}.log").open("ab") as log:
            return process.spawn(argv, account=None, output=log, environment=_python_environment())
    except OSError as error:
        raise LabError(f"the {module} of lab {directory.name!r} cannot be started: {error.strerror}") from None


def _acknowledgement(directory: Path) -> Path:
    return directory / f"{FILE_NAME}.ack"


def _edge(document: dict[str, Any]) -> Edge:
    return Edge(
        downstream=str(document["downstream"]),
        upstream=str(document["upstream"]),
        listen=int(document["listen"]),
        target_port=int(document["target_port"]),
        listen_host=str(document["listen_host"]),
        target_host=str(document["target_host"]),
        condition=parse(document["condition"]),
        resets=int(document["resets"]),
    )


def _python_environment() -> dict[str, str]:
    """Ours, with this package importable from any working directory and without PG* variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG") or "PGREPLTERM" in name}
    here = str(Path(pgreplterm.__file__).parents[1])
    paths = [here, *(path for path in kept.get("PYTHONPATH", "").split(os.pathsep) if path)]
    absolute = [str(Path(path).absolute()) for path in dict.fromkeys(paths)]
    return {**kept, "PYTHONPATH": os.pathsep.join(absolute)}
