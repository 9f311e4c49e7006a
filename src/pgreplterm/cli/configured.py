"""--profile, and what the configuration says where nothing was typed.

Owns: the option, the defaults that it changes, the servers and limits that hold. Must not: read the file itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pgreplterm.errors import PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.cluster.connecting.connect import Target
    from pgreplterm.cluster.thresholds import Thresholds
    from pgreplterm.config.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])
_SETTINGS = "pgreplterm.settings"
_PARAMETERS = {"interval": "interval", "discover": "discover", "ascii_only": "ascii"}
"""The parameters of commands, and the keys that change their defaults."""


def profile_option(command: Command) -> Command:
    """--profile; ``configured_targets``, ``limits`` and the defaults of other options follow it."""
    option = click.option(
        "--profile", metavar="NAME", is_eager=True, expose_value=False, callback=_choose,
        help="That profile of the configuration.",
    )  # fmt: skip
    return option(command)


def configured_targets(dsns: Sequence[str]) -> Sequence[Target]:
    """The servers that were typed, or those of the configuration, or libpq's defaults. Raises PgReplTermError."""
    from pgreplterm.cluster.connecting.connect import targets

    found = chosen()
    if dsns or found is None:
        return targets(dsns)
    return servers_of(found)


def servers_of(found: Settings) -> Sequence[Target]:
    """The servers that settings name; libpq's defaults when they name none. Raises ConfigError."""
    from pgreplterm.cluster.connecting.connect import WrongDSN, named_target, targets
    from pgreplterm.config.errors import ConfigError

    try:
        named = [named_target(name, dsn) for name, dsn in found["nodes"].items()]
    except WrongDSN as error:
        raise ConfigError(f"{found.where('nodes')}: {error}") from None
    if named and not found["dsns"]:
        return named
    try:
        others = targets(found["dsns"])
    except WrongDSN as error:
        raise ConfigError(f"{found.where('dsns')}: {error}" if found["dsns"] else str(error)) from None
    known = {target.address for target in named}
    return [*named, *(target for target in others if target.address not in known)]


def limits() -> Thresholds:
    """Those of the configuration; the program's own where no command runs. Raises ConfigError."""
    from pgreplterm.cluster.thresholds import Thresholds

    found = chosen()
    return Thresholds() if found is None else found.thresholds()


def chosen() -> Settings | None:
    """The settings of the current command; None when it has no --profile. Raises what was wrong with them."""
    context = click.get_current_context(silent=True)
    found = None if context is None else context.meta.get(_SETTINGS)
    if isinstance(found, PgReplTermError):
        raise found
    return found


def warn(found: Settings) -> None:
    """Say on stderr that others may read a password."""
    if found.file.warning is not None:
        click.echo(f"pgreplterm: {found.file.warning}", err=True)


def from_home(place: str) -> str:
    """A path with ~ for the home directory: shorter, and without the user's name."""
    from pathlib import Path

    home = str(Path("~").expanduser())
    return "~" + place.removeprefix(home) if home != "/" and place.startswith(home + "/") else place


def _choose(context: click.Context, _: click.Parameter, name: str | None) -> None:
    """What is wrong is raised when the command runs: its own class may have a way of telling."""
    from pgreplterm.config.errors import ConfigError
    from pgreplterm.config.settings import settings

    try:
        found = context.meta[_SETTINGS] = settings(name)
    except ConfigError as error:
        context.meta[_SETTINGS] = error
        return
    changed = {parameter: found[key] for parameter, key in _PARAMETERS.items() if not found.by_name[key].is_default}
    context.default_map = {**(context.default_map or {}), **changed}
