"""What the PATH of a ``wal`` command can be: a path, a URL, or a server.

Owns: telling the three apart, and the options that read across promotions. Must not: read WAL itself.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pgreplterm.wal.source import WalSource

_SERVER = re.compile(r"postgres(ql)?://")
_KEYWORD = re.compile(r"\s*[a-z_]+\s*=")
_NAMED = 3  # segments that are not read, before the rest is only counted


def _timeline(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if value in ("latest", "all", "auto") or (value.isdecimal() and 0 < int(value) < 2**32):
        return value
    raise click.BadParameter(f"{value!r} is none of: latest, all, a timeline's number", ctx, param)


source_argument = click.argument("path", metavar="PATH|URL|DSN")
timeline_option = click.option(
    "--timeline",
    "-t",
    default="all",
    callback=_timeline,
    metavar="latest|all|TLI",
    help="One stream, as recovery with this recovery_target_timeline reads it; all (the default): every file.",
)
stream_option = click.option(
    "--timeline",
    "-t",
    default="auto",
    callback=_timeline,
    metavar="latest|all|TLI",
    help="One stream, as recovery with this recovery_target_timeline reads it (default: latest, where a history "
    "tells the way); all: every file.",
)


def open_any(text: str, timeline: str | None = None) -> WalSource:
    """The source that text names. timeline is a value of the options above; None is all.

    Says on stderr which segments are not read. Raises WalError, and for a server CannotConnect, NoPrivilege and
    WrongDSN.
    """
    from pgreplterm.wal.follow import can_follow, follow

    source = _open(text)
    if timeline in (None, "all") or (timeline == "auto" and not can_follow(source)):
        return source
    followed = follow(source, int(timeline) if timeline is not None and timeline.isdecimal() else None)
    _narrate_aside(followed)
    return followed


def _open(text: str) -> WalSource:
    if _SERVER.match(text) or (_KEYWORD.match(text) and not Path(text).exists()):
        from pgreplterm.cluster.decoded.wal_files import open_server

        return open_server(text)
    from pgreplterm.wal import open_source

    return open_source(text)


def _narrate_aside(source: WalSource) -> None:
    if not source.aside or source.lineage is None:
        return
    names = [segment.file_name for segment in source.aside]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    click.echo(
        f"not on the way to timeline {source.lineage.timeline}, and not read: {', '.join(names[:_NAMED])}{more}; "
        "--timeline all reads every file.",
        err=True,
    )
