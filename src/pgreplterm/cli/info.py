"""``pgreplterm info``: what a bug report needs.

Owns: which facts. Must not: print a secret, a connection string or the environment at large.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version

import click

from pgreplterm import __version__
from pgreplterm.cli.configured import from_home

_PACKAGES = ("psycopg", "psycopg-binary", "textual", "rich", "click", "cffi", "psutil", "docker")
_VARIABLES = ("TERM", "COLORTERM", "TERM_PROGRAM", "NO_COLOR", "TMUX", "STY", "SSH_TTY", "LANG", "LC_ALL", "LC_CTYPE")
_PATHS = ("TMUX", "STY", "SSH_TTY")  # only whether they are set: their values say who and where
_ABSENT = "not installed"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def info(as_json: bool) -> None:
    """Versions and facts about the terminal, for a bug report. No secrets, no connection strings."""
    facts = {"program": _program(), "packages": _packages(), "terminal": _terminal(), "configuration": _configuration()}
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    width = max(len(name) for group in facts.values() for name in group)
    for title, group in facts.items():
        click.echo(title)
        for name, value in group.items():
            click.echo(f"  {name.ljust(width)}  {value}")


def _program() -> dict[str, str]:
    return {
        "pgreplterm": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "libc": " ".join(filter(None, platform.libc_ver())) or "unknown",
        "crc-32c": _crc_kernel(),
        "libpq": _libpq(),
    }


def _crc_kernel() -> str:
    """What page and record checksums are computed with on this processor."""
    try:
        from pgreplterm.wal.checksum import kernel_name

        return kernel_name()
    except ImportError as error:
        return f"the C library cannot be loaded: {error}"


def _libpq() -> str:
    try:
        from pgreplterm.cluster.connecting.connect import libpq_version

        return libpq_version()
    except ImportError as error:
        return f"cannot be loaded: {str(error).splitlines()[0]}"


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = _ABSENT
    return found


def _terminal() -> dict[str, str]:
    columns, lines = shutil.get_terminal_size((0, 0))
    tty = [name for name in ("stdin", "stdout", "stderr") if (stream := getattr(sys, name)) and stream.isatty()]
    variables = {
        name: "set" if name in _PATHS else _plain(os.environ[name]) for name in _VARIABLES if os.environ.get(name)
    }
    return {
        "terminals": ", ".join(tty) or "none",
        "size": f"{columns}x{lines}" if columns and lines else "unknown",
        "encoding": getattr(sys.stdout, "encoding", None) or "unknown",
        **variables,
    }


def _plain(text: str) -> str:
    from pgreplterm.cluster.words import printable

    return printable(text)


def _configuration() -> dict[str, str]:
    from pgreplterm.config.errors import ConfigError
    from pgreplterm.config.file import config_path, read_config

    place = from_home(str(config_path()))
    try:
        file = read_config(config_path())
    except ConfigError:
        return {"file": f"{place} (cannot be read: see config validate)"}
    said = f"profiles: {len(file.profiles)}, problems: {len(file.unplaced)}" if file.path.exists() else "not there"
    return {"file": f"{place} ({said})"}
