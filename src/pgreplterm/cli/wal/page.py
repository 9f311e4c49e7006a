"""``pgreplterm wal page``.

Owns: its options. Must not: restore pages or describe them itself.
"""

from __future__ import annotations

import click

from pgreplterm.cli.wal.options import json_option
from pgreplterm.cli.wal.render import print_json
from pgreplterm.cli.wal_source import open_any, source_argument


@click.command()
@source_argument
@click.argument("lsn")
@click.option("--block", "-B", "block_id", type=click.IntRange(0, 32), help="Only the image of this block reference.")
@json_option
def page(path: str, lsn: str, block_id: int | None, as_json: bool) -> None:
    """Show the pages that the full-page images of the record at LSN restore."""
    from pgreplterm.wal.choice import lsn_of
    from pgreplterm.wal.page_report import report_json, report_lines

    source, begin = open_any(path), lsn_of(lsn)
    if as_json:
        print_json({"path": source.path, **report_json(source, begin, block_id)})
    else:
        click.echo("\n".join(report_lines(source, begin, block_id)))
