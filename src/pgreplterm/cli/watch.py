"""``pgreplterm [watch] [DSN ...]``: the terminal.

Owns: its arguments. Must not: draw.
"""

from __future__ import annotations

import click

from pgreplterm.cli.configured import limits
from pgreplterm.cli.terminal import Look, Terminal, is_interactive
from pgreplterm.cli.watching import discovers, server_options, watched
from pgreplterm.errors import PgReplTermError


@click.command()
@server_options
@click.option("--interval", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Seconds a tick.")
@click.option("--ascii/--no-ascii", "ascii_only", default=False, help="Draw with ASCII only.  [default: by the locale]")
@click.pass_obj
def watch(terminal: Terminal, dsns: tuple[str, ...], lab_name: str | None, interval: float, ascii_only: bool) -> int:
    """Watch a cluster in the terminal; on a lab drills may run.

    A DSN is whatever psql takes; one that names several hosts stands for all of them. Without any, it is the profile's
    servers, or else those of PG* variables and libpq's defaults.
    """
    if lab_name is not None and dsns:
        raise click.UsageError("--lab and DSN arguments exclude each other")
    if not is_interactive():
        raise PgReplTermError(
            "expected a terminal to draw on, found none; for scripts there is: pgreplterm status --json"
        )
    look = Look(interval, ascii_only, discovers(), limits())
    if lab_name is not None:
        from pgreplterm.lab.lab import Lab

        lab = Lab.load(lab_name)
        return terminal.watch_lab(lab_name, lambda _: lab, look)[0]
    servers = watched(dsns, None)
    return terminal.watch_servers(servers, servers[0].address, look)
