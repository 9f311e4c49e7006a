"""The relay: a process that stands on every replication edge of a lab.

Owns: keeping its edges equal to the links file, acknowledging each change, and writing down what was measured.
Must not: import anything outside the standard library but this package's light modules (it has to listen within
some tens of milliseconds), read PostgreSQL's protocol, or decide which edges there are.

Run as ``python -m pgreplterm.lab.relay LINKS_FILE``. LINKS_FILE is JSON: ``{"serial": n, "edges": [{"name",
"listen_host", "listen", "target_host", "target_port", "condition", "resets"}]}``; the last two may be left out.

- SIGHUP: read it again. Connections stay, unless their edge went, refuses, or has another number of resets.
  Each time it replaces ``LINKS_FILE.ack`` with ``{"serial", "pid", "errors": {edge: reason}, "complaint"}``, so
  that whoever changed the file can await the change. A file it cannot use changes nothing: serial is then null and
  complaint says why.
- SIGUSR1, and once a second while figures change: replace ``LINKS_FILE.measured``. Taken away, it comes again only on
  SIGUSR1.
- SIGTERM, or no more file: end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pgreplterm.lab.link_condition import BadCondition, parse
from pgreplterm.lab.relay_edge import Edge, EdgeSpec
from pgreplterm.lab.relay_loop import Loop

TICK = 1.0
"""Seconds between two looks at the figures, and whether the lab is still there."""


class BadLinks(ValueError):
    """The links file cannot be used; the sentence says where and why."""


class Relay:
    """All edges, kept equal to the links file."""

    def __init__(self, links_file: Path) -> None:
        """A relay without edges."""
        self._file = links_file
        self._loop = Loop()
        self._edges: dict[str, Edge] = {}
        self._serial: int | None = None
        self._written: object = None

    def run(self) -> None:
        """Serve until SIGTERM or until the lab is gone."""
        self._loop.on_signal(signal.SIGHUP, self._reload)
        self._loop.on_signal(signal.SIGUSR1, self._write_measured)
        self._loop.on_signal(signal.SIGTERM, self._loop.stop)
        self._reload()
        self._tick()
        self._loop.run()
        for edge in self._edges.values():
            edge.close()

    def _tick(self) -> None:
        if not self._file.exists():
            self._loop.stop()
            return
        now = time.monotonic()
        self._loop.at(now + TICK, self._tick)
        for edge in self._edges.values():
            edge.wal.mark(now)
            edge.replies.mark(now)
        taken_away = self._written is not None and not self._beside("measured").exists()  # the lab may be going
        if _without_time(self._figures()) != self._written and not taken_away:
            self._write_measured()

    def _reload(self) -> None:
        try:
            self._serial, wanted = read_links(self._file)
        except FileNotFoundError:
            return
        except (OSError, BadLinks) as error:
            self._acknowledge(None, {}, str(error))
            return
        for name in [name for name, edge in self._edges.items() if not _stays(edge, wanted.get(name))]:
            self._edges.pop(name).close()
        errors: dict[str, str] = {}
        for name, spec in wanted.items():
            try:
                if name in self._edges:
                    self._edges[name].change(spec)
                else:
                    self._edges[name] = Edge(self._loop, spec)
            except OSError as error:
                errors[name] = f"port {spec.listen}: {error.strerror}"
        self._acknowledge(self._serial, errors, None)

    def _acknowledge(self, serial: int | None, errors: dict[str, str], complaint: str | None) -> None:
        self._replace("ack", {"serial": serial, "pid": os.getpid(), "errors": errors, "complaint": complaint})

    def _figures(self) -> dict[str, Any]:
        now = time.monotonic()
        return {
            name: {
                "connections": edge.connections,
                "wal": asdict(edge.wal.report(now)),
                "replies": asdict(edge.replies.report(now)),
            }
            for name, edge in self._edges.items()
        }

    def _write_measured(self) -> None:
        figures = self._figures()
        self._written = _without_time(figures)
        measured = {"pid": os.getpid(), "serial": self._serial, "at": time.time(), "edges": figures}
        self._replace("measured", measured)

    def _replace(self, suffix: str, document: dict[str, Any]) -> None:
        """Write a file beside the links file so that nobody sees a part of it; not at all once the lab is gone."""
        temporary = self._beside(f"{suffix}.tmp")
        try:
            temporary.write_text(json.dumps(document))
            temporary.rename(self._beside(suffix))
        except OSError as error:  # no space, or no folder: links are still there for those who use them
            sys.stderr.write(f"{temporary} cannot be written: {error.strerror}\n")

    def _beside(self, suffix: str) -> Path:
        return self._file.with_name(f"{self._file.name}.{suffix}")


def read_links(path: Path) -> tuple[int, dict[str, EdgeSpec]]:
    """The serial number of the file and its edges by name. Raises OSError, BadLinks."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadLinks(f"{path} must be JSON: {error}") from None
    serial = _member(document, "serial", int, str(path))
    edges = [_edge(edge, f"{path}, edge {number}") for number, edge in enumerate(_list(document, path), start=1)]
    named = {edge.name: edge for edge in edges}
    if len(named) < len(edges):
        raise BadLinks(f"{path} must name each edge once")
    return serial, named


def _list(document: Any, path: Path) -> list[Any]:
    edges: list[Any] = _member(document, "edges", list, str(path))
    return edges


def _edge(document: Any, where: str) -> EdgeSpec:
    name = _member(document, "name", str, where)
    where = f"{where} ({name})"
    listen, target = _port(document, "listen", where), _port(document, "target_port", where)
    listen_host = _member(document, "listen_host", str, where)
    target_host = _member(document, "target_host", str, where)
    resets = _member(document, "resets", int, where) if "resets" in document else 0
    try:
        condition = parse(document.get("condition", {}))
    except BadCondition as error:
        raise BadLinks(f"{where}: {error}") from None
    return EdgeSpec(name, listen_host, listen, target_host, target, condition, resets)


def _port(document: Any, key: str, where: str) -> int:
    port: int = _member(document, key, int, where)
    if not 1 <= port <= 65535:
        raise BadLinks(f"{where}: {key} must be a port from 1 to 65535: found {port}")
    return port


def _member(document: Any, key: str, kind: type, where: str) -> Any:
    found = document.get(key) if isinstance(document, Mapping) else None
    if not isinstance(found, kind) or isinstance(found, bool):
        raise BadLinks(f"{where}: {key} must be of type {kind.__name__}: found {json.dumps(found)[:60]}")
    return found


def _without_time(figures: dict[str, Any]) -> object:
    """The same as long as nothing moves."""
    return {name: (edge["connections"], *map(_moved, (edge["wal"], edge["replies"]))) for name, edge in figures.items()}


def _moved(lane: dict[str, Any]) -> object:
    return {**lane, "seconds": None}


def _stays(edge: Edge, wanted: EdgeSpec | None) -> bool:
    return wanted is not None and wanted.place == edge.spec.place


def main() -> None:
    """Run the relay of the links file named on the command line."""
    Relay(Path(sys.argv[1])).run()


if __name__ == "__main__":
    main()
