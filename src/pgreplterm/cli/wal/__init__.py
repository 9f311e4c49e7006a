"""``pgreplterm wal``: read WAL from a segment, an archive, a pg_wal folder, a data directory, or a server.

Owns: the group of commands, each in its own module. Must not: read WAL itself.
"""

from __future__ import annotations

import click

from pgreplterm.cli.wal.dump import dump
from pgreplterm.cli.wal.ls import list_segments
from pgreplterm.cli.wal.page import page
from pgreplterm.cli.wal.stat import stat
from pgreplterm.cli.wal.verify import verify


@click.group()
def wal() -> None:
    """Read the WAL of PostgreSQL 13 to 19: segments (also packed), archives, a pg_wal folder, a server."""


for command in (list_segments, dump, stat, verify, page):
    wal.add_command(command)
