"""What every command that looks at servers takes, and how it looks: once, or again every interval.

Owns: the options DSN... --lab --no-discover --json --watch --interval, which servers they mean, the loop, and the
exit code. Must not: lay out what it shows; each command hands in how to do that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pgreplterm.cli.configured import chosen, configured_targets, limits, profile_option, warn
from pgreplterm.cli.replayed import Recorded, lacks_privilege, recorded
from pgreplterm.errors import ExitCode

if TYPE_CHECKING:
    from pgreplterm.cluster.connecting.connect import Target
    from pgreplterm.cluster.model import ClusterSnapshot

Command = TypeVar("Command", bound=Callable[..., Any])
_DISCOVER = "pgreplterm.discover"


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
    """DSN..., --lab, --profile and --no-discover: give the function ``dsns`` and ``lab_name``, and
    ``watched(dsns, lab_name)`` the rest; ``discovers()`` and ``limits()`` tell the others.
    """
    option = click.option(
        "--discover/--no-discover", default=True, expose_value=False, callback=_remember_discover,
        help="Whether to watch what the servers stream from or to, too.  [default: discover]",
    )  # fmt: skip
    command = profile_option(option(command))
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
    """The servers that were asked for; none named means those of the profile, or else PG* variables and libpq's
    defaults. Raises PgReplTermError.

    There are none when a recording is to be looked at.
    """
    if lab_name is not None and dsns:
        raise click.UsageError("--lab and DSN arguments exclude each other")
    if (found := chosen()) is not None:
        warn(found)
    if recorded() is not None:
        if lab_name is not None or dsns:
            raise click.UsageError("--replay takes no servers: neither --lab nor DSN arguments")
        return ()
    return _lab_targets(lab_name) if lab_name is not None else configured_targets(dsns)


def discovers() -> bool:
    """Whether the neighbours of the servers named are watched too. A lab is known whole."""
    context = click.get_current_context(silent=True)
    return context is not None and context.meta.get(_DISCOVER, False) and context.params.get("lab_name") is None


def look(watching: Watching, view: View) -> int:
    """Show what the servers say, once or for ever. The exit code of one look; 0 once a watch is left."""
    if (replayed := recorded()) is not None:
        return _from_recording(replayed, watching, view)
    if watching.interval is None:
        return asyncio.run(_once(watching, view))
    return asyncio.run(_again(watching, watching.interval, view))


async def _once(watching: Watching, view: View) -> int:
    from pgreplterm.cluster.sampling.sampler import Sampler

    async with Sampler(watching.targets, discover=discovers()) as sampler:
        snapshot = await sampler.sample_once()
        _show(snapshot, watching, view)
        return exit_code(snapshot, sampler.lacks_privilege)


async def _again(watching: Watching, interval: float, view: View) -> int:
    from pgreplterm.cluster.sampling.sampler import Sampler

    async for snapshot in Sampler(watching.targets, interval, discover=discovers()):
        _show(snapshot, watching, view)
    return ExitCode.OK


def _from_recording(replayed: Recorded, watching: Watching, view: View) -> int:
    """One recorded snapshot; with --watch all from there on, as fast as they are read."""
    if watching.interval is None:
        _show(replayed.snapshot, watching, view)
        return replayed.told(exit_code(replayed.snapshot, lacks_privilege(replayed.snapshot)))
    for snapshot in replayed.following():
        _show(snapshot, watching, view)
    return replayed.told(ExitCode.OK)


def _show(snapshot: ClusterSnapshot, watching: Watching, view: View) -> None:
    """By itself when it is the only one; else as one line of JSON, or with its time and a blank line."""
    from pgreplterm.cluster.words import instant

    once = watching.interval is None
    if watching.as_json:
        document = view.document(snapshot)
        click.echo(json.dumps(document, indent=2) if once else json.dumps(document, separators=(",", ":")))
    else:
        lines = view.lines(snapshot)
        click.echo("\n".join(lines if once else (instant(snapshot.taken_at), *lines, "")))


def exit_code(snapshot: ClusterSnapshot, lacks_privilege: bool) -> ExitCode:
    """What the caller's script is told. A missing privilege counts only when nothing worse is known."""
    from pgreplterm.cluster.verdict import Severity, verdict

    severity = verdict(snapshot, limits()).severity
    reached = any(node.sample is not None for node in snapshot.nodes)
    if lacks_privilege and (severity is Severity.UNKNOWN or not reached):
        return ExitCode.NO_PRIVILEGE
    if not reached:
        return ExitCode.CANNOT_CONNECT
    return ExitCode.OK if severity is Severity.OK else ExitCode.FINDING


def _remember_discover(context: click.Context, _: click.Parameter, is_on: bool) -> None:
    context.meta[_DISCOVER] = is_on


def _lab_targets(name: str) -> Sequence[Target]:
    from pgreplterm.cluster.connecting.connect import named_target
    from pgreplterm.lab.lab import Lab

    lab = Lab.load(name)
    return [named_target(node.name, lab.dsn(node.name)) for node in lab.nodes]
