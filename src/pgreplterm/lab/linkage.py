"""The links of a lab: what is wrong with each, and what its relay measured.

Owns: changing the condition of one edge, and reading ``links.json.measured``. Must not: know what a condition does
to PostgreSQL.

All functions that take a site expect the caller to hold the lab's transaction. A condition is in ``links.json`` before
the relay is told, so that a relay that was killed comes back with it.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pgreplterm.lab import helpers, links, process
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.link_condition import CLEAR, LinkCondition
from pgreplterm.lab.links import Edge, Links
from pgreplterm.lab.relay_lane import LaneReport
from pgreplterm.lab.site import Site

MEASURE_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class EdgeMeasured:
    """What the relay did on one edge since it began to serve it: the WAL downwards, the replies upwards."""

    connections: int
    wal: LaneReport
    replies: LaneReport


@dataclass(frozen=True, slots=True)
class Measured:
    """What a relay wrote down, and when (epoch seconds)."""

    pid: int
    at: float
    edges: Mapping[str, EdgeMeasured]

    @property
    def age(self) -> float:
        """Seconds since then. It grows while nothing moves: no byte, no news."""
        return max(0.0, time.time() - self.at)


def set_condition(site: Site, edge_name: str, condition: LinkCondition) -> None:
    """Have the edge be like that from now on, and return when it is. Raises LabError."""
    _change(site, edge_name, condition)


def condition_of(site: Site, edge_name: str) -> LinkCondition:
    """What is wrong with that edge. Raises LabError."""
    return _edge(links.read(site.directory), edge_name).condition


def clear(site: Site, edge_name: str, *, reset: bool = False) -> None:
    """Have nothing be wrong with that edge. Raises LabError.

    After a cut a connection that lost nothing goes on, and what its ends' kernels hold still goes through: also the
    last words of a server that was killed meanwhile, which no power cut would leave. reset drops them.
    """
    _change(site, edge_name, CLEAR, reset=reset)


def reset(site: Site, edge_name: str) -> None:
    """Reset every connection of that edge, once. Raises LabError."""
    _change(site, edge_name, condition_of(site, edge_name), reset=True)


def measured(directory: Path) -> Measured | None:
    """What the relay of that lab wrote down last; None when it wrote nothing yet. Raises LabError."""
    path = _file(directory)
    try:
        return _measured(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabError(f"{path} cannot be read ({type(error).__name__}): it comes anew within a second") from None


def measure(site: Site) -> Measured:
    """Have the relay write down its figures now, and return them. Raises LabError."""
    relay = helpers.ensure_relay(site)
    _file(site.directory).unlink(missing_ok=True)
    process.send([found for found in [process.find(relay)] if found is not None], signal.SIGUSR1)
    process.wait_until(_file(site.directory).exists, MEASURE_TIMEOUT)
    found = measured(site.directory)
    if found is None:
        raise LabError(
            f"the relay of lab {site.directory.name!r} does not answer: its log is {site.directory}/relay.log"
        )
    return found


def _edge(known: Links, name: str) -> Edge:
    for edge in known.edges:
        if edge.name == name:
            return edge
    names = ", ".join(edge.name for edge in known.edges) or "none"
    raise LabError(f"the lab has no link {name!r}: it has {names}")


def _change(site: Site, edge_name: str, condition: LinkCondition, *, reset: bool = False) -> None:
    known = links.read(site.directory)
    edge = _edge(known, edge_name)
    helpers.serve(site, known.with_edge(replace(edge, condition=condition, resets=edge.resets + reset)))


def _file(directory: Path) -> Path:
    return directory / f"{links.FILE_NAME}.measured"


def _measured(document: dict[str, Any]) -> Measured:
    edges = {
        name: EdgeMeasured(edge["connections"], LaneReport(**edge["wal"]), LaneReport(**edge["replies"]))
        for name, edge in document["edges"].items()
    }
    return Measured(document["pid"], document["at"], edges)
