"""``pgreplterm lab``: clusters of our own.

Owns: the arguments and the two forms of output of the lab commands. Must not: know how a lab is made.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.cli import lab_heal, lab_image, lab_nodes, lab_shape
from pgreplterm.cli.tables import aligned
from pgreplterm.errors import PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
_of_lab = click.option("--name", default="lab", show_default=True, help="The lab the node belongs to.")


@click.group()
def lab() -> None:
    """Clusters of our own: PostgreSQL servers on this machine, made and removed in a second."""


lab.add_command(lab_image.image)
for _command in (lab_heal.heal, lab_nodes.show, lab_nodes.add, lab_nodes.remove, lab_nodes.reclone):
    lab.add_command(_command)


@lab.command()
@lab_shape.shape_options
@click.option("--backend", type=click.Choice(["local", "docker"]), default="local", show_default=True)
@click.option("--docker-host", metavar="URL", help="The Docker Engine to use, also one on another machine.")
@click.option("--image", help="The image with PostgreSQL in it, for --backend docker.")
@click.option("--standbys", default=2, show_default=True, help="Standbys that stream from the primary.")
@click.option("--cascade", "cascades", default=0, show_default=True, help="Standbys that stream from a standby.")
@click.option("--name", default="lab", show_default=True, help="The lab's name.")
@click.option("--pg-bin", type=click.Path(path_type=Path), help="The bin directory of the PostgreSQL to run.")
@click.option("--segment-size", default=16, show_default=True, help="WAL segment size in MiB.")
@_as_json
def up(as_json: bool, **wanted: Any) -> None:
    """Build a lab and wait until every standby streams.

    Without FILE (see docs/lab.md) it is a primary with standbys, or any tree by --shape.
    """
    from pgreplterm.lab.lab import up as build

    _show(build(lab_shape.spec_of(**wanted), _narrate), as_json)


@lab.command()
@_as_json
def ls(as_json: bool) -> None:
    """The labs there are."""
    from pgreplterm.lab.places import directories

    found = [_summary(directory) for directory in directories()]
    if as_json:
        click.echo(json.dumps({"labs": found}, indent=2))
        return
    rows = [
        [
            entry["name"],
            entry["backend"] or "?",
            *("?" if entry[figure] is None else str(entry[figure]) for figure in ("nodes", "running")),
            entry["server_version"] or "damaged",
        ]
        for entry in found
    ]
    _print(aligned(["NAME", "BACKEND", "NODES", "RUNNING", "POSTGRESQL"], rows))


@lab.command()
@click.argument("name", default="lab")
@_as_json
def status(name: str, as_json: bool) -> None:
    """Each node's name, role, state, DSN, pid and data directory."""
    _show(_load(name), as_json)


@lab.command(context_settings={"ignore_unknown_options": True})
@click.argument("node")
@_of_lab
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def psql(node: str, name: str, args: Sequence[str]) -> None:
    """Open psql on a node; what follows -- goes to psql."""
    chosen = _load(name)
    program = chosen.tool("psql")
    dsn = chosen.dsn(node)
    if not os.access(program, os.X_OK):
        raise PgReplTermError(f"{program.parent} has no psql: connect with any client to {dsn}")
    os.execv(program, [str(program), dsn, *args])


@lab.command()
@click.argument("node")
@_of_lab
def start(node: str, name: str) -> None:
    """Start a stopped or killed node."""
    _load(name).start(node)
    _narrate(f"{node} is up")


@lab.command()
@click.argument("node")
@_of_lab
def stop(node: str, name: str) -> None:
    """Stop a node in order (fast mode)."""
    _load(name).stop(node)
    _narrate(f"{node} is stopped")


@lab.command()
@click.argument("node")
@_of_lab
def kill(node: str, name: str) -> None:
    """Kill all processes of a node at once, as a power cut would."""
    _load(name).kill(node)
    _narrate(f"{node} is killed")


@lab.command()
@click.argument("node")
@_of_lab
def freeze(node: str, name: str) -> None:
    """Stop all processes of a node where they are (SIGSTOP): it answers nobody and drops nobody."""
    _load(name).freeze(node)
    _narrate(f"{node} is frozen")


@lab.command()
@click.argument("node")
@_of_lab
def thaw(node: str, name: str) -> None:
    """Let a frozen node continue."""
    _load(name).thaw(node)
    _narrate(f"{node} continues")


@lab.command()
@click.argument("name", default="lab")
@click.option("--all", "everything", is_flag=True, help="Remove all labs.")
def down(name: str, everything: bool) -> None:
    """Remove a lab: every process, shared-memory segment and file."""
    from pgreplterm.lab.lab import remove
    from pgreplterm.lab.places import directories

    for each in [directory.name for directory in directories()] if everything else [name]:
        remove(each)
        _narrate(f"lab {each} is gone")


def _load(name: str) -> Lab:
    from pgreplterm.lab.lab import Lab

    return Lab.load(name)


def _narrate(sentence: str) -> None:
    click.echo(f"lab: {sentence}", err=True)


def _show(chosen: Lab, as_json: bool) -> None:
    from pgreplterm.cli.fault_text import described

    document = _document(chosen)
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    columns = ["name", "role", "state", "upstream", "pid", "port"]
    rows = [["-" if node[column] is None else str(node[column]) for column in columns] for node in document["nodes"]]
    _print(aligned([column.upper() for column in columns], rows, frozenset({"PID", "PORT"})))
    first = document["nodes"][0]
    fsync = "on" if document["fsync"] else "OFF"
    click.echo(
        f"\nPostgreSQL {document['server_version']}, {document['backend']}, fsync {fsync}; {document['directory']}"
    )
    click.echo(f"Connect: pgreplterm lab psql {first['name']} --name {document['name']}, or with any client to")
    click.echo(first["dsn"].replace(f":{first['port']}/", ":PORT/"))
    for node in document["recovered"]:
        _narrate(f"{node['name']} (port {node['port']}) was recovered to a point in time and follows nobody")
    for entry in document["faults"]:
        _narrate(f"fault {described(entry)}")


def _document(chosen: Lab) -> dict[str, Any]:
    from pgreplterm.cli.fault_text import active
    from pgreplterm.lab import process

    known = chosen.state
    load = known.load if known.load and process.is_running(known.load.process) else None
    return {
        "name": known.name,
        "backend": "local" if known.docker is None else "docker",
        "docker": None if known.docker is None else asdict(known.docker),
        "phase": known.phase.value,
        "fsync": known.fsync,
        "archive": known.archive,
        "synchronous": known.synchronous,
        "created_at": datetime.fromtimestamp(known.created_at, UTC).isoformat(timespec="milliseconds"),
        "directory": str(chosen.directory),
        "server_version": known.server_version,
        "bindir": known.bindir,
        "relay_running": process.is_running(known.relay),
        "load_rows_per_second": load.pace if load else None,
        "nodes": [asdict(node) for node in chosen.status()],
        "edges": [{"name": edge.name, **asdict(edge)} for edge in chosen.edges],
        "recovered": [{"name": node.name, "port": node.port, "dsn": chosen.dsn(node.name)} for node in known.recovered],
        "faults": active(chosen, time.time()),
    }


def _summary(directory: Path) -> dict[str, Any]:
    from pgreplterm.lab import state
    from pgreplterm.lab.errors import StateDamaged

    try:
        known = state.read(directory)
    except StateDamaged:
        unknown = {"backend": None, "nodes": None, "running": None, "phase": "damaged", "server_version": None}
        return {"name": directory.name, "directory": str(directory), **unknown}
    return {
        "name": known.name,
        "directory": str(directory),
        "backend": "local" if known.docker is None else "docker",
        "nodes": len(known.nodes),
        "running": _running(directory),
        "phase": known.phase.value,
        "server_version": known.server_version,
    }


def _running(directory: Path) -> int | None:
    """How many servers run; None when the lab's Docker engine does not answer."""
    from pgreplterm.lab.errors import LabError
    from pgreplterm.lab.site import Site, running

    try:
        return len(list(running(Site.of(directory))))
    except LabError:
        return None


def _print(lines: Sequence[str]) -> None:
    click.echo("\n".join(lines))
