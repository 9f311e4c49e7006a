"""``pgreplterm config``: what is configured, where it comes from, and whether it is right.

Owns: the subcommands and their text. Must not: read or judge the file itself, or print a password.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.cli.configured import from_home, warn
from pgreplterm.cli.tables import aligned
from pgreplterm.errors import ExitCode, PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.config.errors import Problem
    from pgreplterm.config.file import ConfigFile
    from pgreplterm.config.settings import Settings

_SERVERS = ("dsns", "nodes")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def config() -> None:
    """Profiles and settings: what you would otherwise type.

    The command line wins over PGREPLTERM_* variables, those over the file, the file over the defaults.
    """


@config.command()
def path() -> None:
    """Print where the file is, or would be."""
    from pgreplterm.config.file import config_path

    click.echo(config_path())


@config.command()
def init() -> None:
    """Write a file that explains every key.

    All of them are commented out. Only you may read it; one that is there stays as it is.
    """
    from pgreplterm.config.file import config_path
    from pgreplterm.config.template import template

    place = config_path()
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise PgReplTermError(f"{place} is already there and stays as it is: move it away first") from None
    except OSError as error:
        raise PgReplTermError(f"{place} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(template())
    click.echo(place)


@config.command()
@click.argument("dsns", metavar="[DSN]...", nargs=-1)
@click.option("--profile", "profile_name", metavar="NAME", help="Of that profile.")
@click.option("--discover/--no-discover", default=None, help="As if typed for another command.")
@click.option("--interval", type=click.FloatRange(min=0.1), metavar="S", help="The same.")
@click.option("--ascii/--no-ascii", "ascii_only", default=None, help="The same.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def show(
    dsns: tuple[str, ...],
    profile_name: str | None,
    discover: bool | None,
    interval: float | None,
    ascii_only: bool | None,
    as_json: bool,
) -> None:
    """Every value that holds, and where it comes from. Passwords are not shown."""
    from pgreplterm.config.settings import settings

    typed = {"dsns": dsns or None, "discover": discover, "interval": interval, "ascii": ascii_only}
    found = settings(profile_name, {key: value for key, value in typed.items() if value is not None})
    found.thresholds()
    warn(found)
    if as_json:
        click.echo(json.dumps(_document(found), indent=2))
    else:
        click.echo("\n".join(aligned(("KEY", "FROM", "VALUE"), list(_rows(found)), frozenset())))


def _rows(found: Settings) -> Iterator[tuple[str, str, str]]:
    from pgreplterm.cluster.words import printable

    yield "profile", from_home(found.where_profile()), printable(found.profile)
    for name in found.by_name:
        for number, value in enumerate(_spelled(found, name)):
            key, origin = (name, from_home(found.where(name))) if number == 0 else ("", "")
            yield key, origin, printable(value)


def _spelled(found: Settings, name: str) -> list[str]:
    """A value as lines, servers one a line."""
    shown = _shown(found, name)
    if name == "dsns":
        return list(shown) or ["none"]
    if name == "nodes":
        return [f"{node}: {dsn}" for node, dsn in shown.items()] or ["none"]
    return [found.by_name[name].key.kind.spell(shown)]


def _shown(found: Settings, name: str) -> Any:
    """A value without passwords."""
    value = found[name]
    if name not in _SERVERS or not value:
        return value
    from pgreplterm.cluster.connecting.connect import shown

    return [shown(dsn) for dsn in value] if name == "dsns" else {node: shown(dsn) for node, dsn in value.items()}


def _document(found: Settings) -> dict[str, Any]:
    settings = {name: {"value": _shown(found, name), "from": found.where(name)} for name in found.by_name}
    return {
        "file": str(found.file.path),
        "exists": found.file.path.exists(),
        "profile": {"value": found.profile, "from": found.where_profile()},
        "settings": settings,
    }


@config.command()
def validate() -> int:
    """Check the file and PGREPLTERM_* variables.

    Every problem is told with its line. Exits 2 when there is one.
    """
    from pgreplterm.config.file import config_path, read_config

    file = read_config(config_path())
    problems = list(_problems(file))
    for problem in problems:
        click.echo(problem, err=True)
    if file.warning is not None:
        click.echo(f"pgreplterm: {file.warning}", err=True)
    if problems:
        return ExitCode.USAGE
    profiles = ", ".join(map(repr, file.profiles)) or "none"
    click.echo(f"{file.path}: no problem; profiles: {profiles}" if file.path.exists() else f"{file.path}: not there")
    return ExitCode.OK


def _problems(file: ConfigFile) -> Iterator[Problem]:
    from pgreplterm.config.settings import wrong_variables

    yield from file.problems
    wrong = wrong_variables()
    yield from wrong
    for name in file.profiles:
        yield from _wrong_servers(file, name)
    if not wrong:
        yield from _wrong_profiles(file)


def _wrong_servers(file: ConfigFile, profile: str) -> Iterator[Problem]:
    """Every connection string as libpq reads it."""
    from pgreplterm.cluster.connecting.connect import WrongDSN, named_target, targets
    from pgreplterm.config.errors import Problem

    values = file.profiles[profile]
    for dsn in values.get("dsns", ()):
        try:
            targets((dsn,))
        except WrongDSN as error:
            yield Problem(file.place("profile", profile, "dsns"), str(error))
    for node, dsn in values.get("nodes", {}).items():
        try:
            named_target(node, dsn)
        except WrongDSN as error:
            yield Problem(file.place("profile", profile, "nodes", node), str(error))


def _wrong_profiles(file: ConfigFile) -> Iterator[Problem]:
    """The profile that is chosen must exist, and no profile's warnings may come after its criticals."""
    from pgreplterm.config.errors import ConfigError, Problem
    from pgreplterm.config.settings import effective

    for name in (None, *file.profiles):
        try:
            effective(file, name, {}).thresholds()
        except ConfigError as error:
            if name is not None:
                yield Problem(file.place("profile", name), str(error))
            elif file.chosen not in file.profiles:
                yield Problem(str(file.path), str(error))
