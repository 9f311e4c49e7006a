"""What every command that looks at servers takes, and how it looks: once, or again every interval.

Owns: the options DSN... --lab --json --watch --interval, which servers they mean, the loop, and the exit code.
Must not: lay out what it shows; each command hands in how to do that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pgreplterm.errors import ExitCode

if TYPE_CHECKING:
    from pgreplterm.cluster.connect import Target
    from pgreplterm.cluster.model import ClusterSnapshot

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Watching:
    """Which servers, and how often: interval in seconds, None for once."""

    targets: Sequence[Target]
    as_json: bool
    interval: float | None


@dataclass(frozen=True, slots=True)
class View:
    """What a command shows of a snapshot: lines of text, and a document for ``--json``."""

    lines: Callable[[ClusterSnapshot], list[str]]
    document: Callable[[ClusterSnapshot], dict[str, Any]]


def server_options(command: Command) -> Command:
    """DSN... and --lab: give the function ``dsns`` and ``lab_name``, and ``watched(dsns, lab_name)`` the rest."""
    command = click.option("--lab", "lab_name", metavar="NAME", help="The nodes of that lab instead of DSNs.")(command)
    return click.argument("dsns", metavar="[DSN]...", nargs=-1)(command)


def view_options(command: Command) -> Command:
    """--json, --watch and --interval: ``as_json``, ``watch`` and ``interval``."""
    interval = click.FloatRange(min=0.1)
    every = click.option("--interval", type=interval, default=1.0, show_default=True, help="Seconds, with --watch.")
    watch = click.option("--watch", is_flag=True, help="Again every interval, until Ctrl-C.")
    as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document; a line each with --watch.")
    return as_json(watch(every(command)))


def watched(dsns: Sequence[str], lab_name: str | None) -> Sequence[Target]:
    """The servers that were asked for; none named means PG* variables and libpq's defaults. Raises PgReplTermError."""
    if lab_name is not None and dsns:
        raise click.UsageError("--lab and DSN arguments exclude each other")
    if lab_name is not None:
        return _lab_targets(lab_name)
    from pgreplterm.cluster.connect import targets

    return targets(dsns)


def look(watching: Watching, view: View) -> int:
    """Show what the servers say, once or for ever. The exit code of one look; 0 once a watch is left."""
    if watching.interval is None:
        return asyncio.run(_once(watching, view))
    return asyncio.run(_again(watching, watching.interval, view))


async def _once(watching: Watching, view: View) -> int:
    from pgreplterm.cluster.sampler import Sampler

    async with Sampler(watching.targets) as sampler:
        snapshot = await sampler.sample_once()
        if watching.as_json:
            click.echo(json.dumps(view.document(snapshot), indent=2))
        else:
            click.echo("\n".join(view.lines(snapshot)))
        return exit_code(snapshot, sampler.lacks_privilege)


async def _again(watching: Watching, interval: float, view: View) -> int:
    from pgreplterm.cluster.sampler import Sampler
    from pgreplterm.cluster.words import instant

    async for snapshot in Sampler(watching.targets, interval):
        if watching.as_json:
            click.echo(json.dumps(view.document(snapshot), separators=(",", ":")))
        else:
            click.echo("\n".join((instant(snapshot.taken_at), *view.lines(snapshot), "")))
    return ExitCode.OK


def exit_code(snapshot: ClusterSnapshot, lacks_privilege: bool) -> ExitCode:
    """What the caller's script is told. A missing privilege counts only when nothing worse is known."""
    from pgreplterm.cluster.verdict import Severity, verdict

    severity = verdict(snapshot).severity
    reached = any(node.sample is not None for node in snapshot.nodes)
    if lacks_privilege and (severity is Severity.UNKNOWN or not reached):
        return ExitCode.NO_PRIVILEGE
    if not reached:
        return ExitCode.CANNOT_CONNECT
    return ExitCode.OK if severity is Severity.OK else ExitCode.FINDING


def _lab_targets(name: str) -> Sequence[Target]:
    from pgreplterm.cluster.connect import named_target
    from pgreplterm.lab.lab import Lab

    lab = Lab.load(name)
    return [named_target(node.name, lab.dsn(node.name)) for node in lab.nodes]
