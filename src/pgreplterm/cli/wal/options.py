"""Options that several ``wal`` commands share.

Owns: pg_waldump's options that choose records, and those that say how to walk. Must not: read WAL itself.
"""

from __future__ import annotations

from collections.abc import Callable

import click

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
csv_option = click.option("--csv", "as_csv", is_flag=True, help="Comma-separated rows under a header (RFC 4180).")
jobs_option = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Walk with N threads (default: 1), or with N processes of --engine dask (default: one a core).",
)
_CONDITIONS = (
    click.option("-r", "--rmgr", "rmgrs", multiple=True, metavar="RMGR", help="Of this resource manager (repeatable)."),
    click.option("-x", "--xid", type=click.IntRange(min=0, max=2**32 - 1), help="Of this transaction."),
    click.option("-R", "--relation", metavar="T/D/R", help="That touch this relation: tablespace/database/file."),
    click.option("-B", "--block", type=click.IntRange(min=0, max=2**32 - 1), help="And this block of it."),
    click.option("-F", "--fork", type=click.Choice(("main", "fsm", "vm", "init")), help="That touch this fork."),
    click.option("-w", "--fullpage", "images_only", is_flag=True, help="That hold a full-page image."),
    click.option("-s", "--start", metavar="LSN", help="That begin here or later."),
    click.option("-e", "--end", metavar="LSN", help="That are over by here."),
    click.option("--since", metavar="TIME", help="From the first transaction that ended then or later (ISO 8601)."),
    click.option("--until", metavar="TIME", help="Up to the last transaction that ended then or earlier."),
)


def conditions_options(command: Callable[..., int]) -> Callable[..., int]:
    """pg_waldump's options that choose records; the command gets them as ``**conditions``."""
    for option in reversed(_CONDITIONS):
        command = option(command)
    return command
