"""``pgreplterm wal``: read WAL from a segment, an archive, a pg_wal folder, a data directory, or a server.

Owns: the group of commands, each in its own module. Must not: read WAL itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import click

from pgreplterm.cli.lazy import LazyGroup


class _Commands(LazyGroup):
    places: ClassVar[Mapping[str, tuple[str, str]]] = {
        "diverged": ("pgreplterm.cli.wal.diverged:diverged", "What an old primary wrote that nobody else has"),
        "dump": ("pgreplterm.cli.wal.dump:dump", "Records as that major's pg_waldump prints them"),
        "ls": ("pgreplterm.cli.wal.ls:list_segments", "The segments, and what their first page says"),
        "page": ("pgreplterm.cli.wal.page:page", "The pages that a record's full-page images restore"),
        "risk": ("pgreplterm.cli.wal.risk:risk", "What promoting each standby now would lose"),
        "stat": ("pgreplterm.cli.wal.stat:stat", "Records and bytes by kind, relation, transaction, time"),
        "verify": ("pgreplterm.cli.wal.verify:verify", "Every CRC and the chain; what is damaged, how it ends"),
        "why": ("pgreplterm.cli.wal.why:why", "Why a standby is behind, and what it has not replayed"),
    }


@click.group(cls=_Commands)
def wal() -> None:
    """Read the WAL of PostgreSQL 13 to 19: segments (also packed), archives, a pg_wal folder, a server."""
