"""``pgreplterm wal stat``.

Owns: its options and its table. Must not: read WAL itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.cli import say
from pgreplterm.cli.wal.csv_rows import print_csv
from pgreplterm.cli.wal.engine import at_work, engine_option
from pgreplterm.cli.wal.options import conditions_options, csv_option, jobs_option, json_option
from pgreplterm.cli.wal.render import narrate_ends, print_json, source_json
from pgreplterm.cli.wal_source import open_any, source_argument, stream_option
from pgreplterm.errors import ExitCode

if TYPE_CHECKING:
    from pgreplterm.wal.source import WalSource
    from pgreplterm.wal.verification import RunReport

_BY = ("rmgr", "record", "relation", "xid", "database", "minute")


@click.command()
@source_argument
@stream_option
@click.option(
    "--by",
    type=click.Choice(_BY),
    default="rmgr",
    show_default=True,
    help="A line for each.",
)
@conditions_options
@jobs_option
@engine_option
@json_option
@csv_option
def stat(
    path: str,
    timeline: str | None,
    by: str,
    jobs: int | None,
    engine: str | None,
    as_json: bool,
    as_csv: bool,
    **conditions: Any,
) -> int:
    """Records and bytes by resource manager, by record type (both as pg_waldump --stats), by
    relation, transaction, database, or minute. Interrupted, it shows what was counted so far."""
    from pgreplterm.wal.choice import choice_of
    from pgreplterm.wal.parts import parts
    from pgreplterm.wal.tally import Counting
    from pgreplterm.wal.verification import SoFar, count

    if as_json and as_csv:
        raise click.UsageError("--json and --csv are two forms of the same rows: give one of them")
    choice = choice_of(**conditions)
    source = open_any(path, timeline)
    found = parts(source, choice)
    for remark in (remark for part in found for remark in part.remarks):
        say(remark)
    so_far, is_whole = SoFar(), True
    with at_work(engine, jobs, so_far) as (walkers, _):
        try:
            count(source, Counting(by, choice, source.format), walkers, found, so_far)
        except KeyboardInterrupt:
            is_whole = False
    tally, reports = so_far.tally, list(so_far)
    if tally is None:
        raise KeyboardInterrupt
    if as_csv:
        print_csv(by, tally.rows())
    elif as_json:
        print_json({"path": source.path, **source_json(source), f"{by}s": tally.rows()})
    else:
        click.echo("\n".join([*_range_line(source, by, reports), *tally.lines()]))
    status = narrate_ends(reports)
    if not is_whole:
        say("interrupted: that is what was counted so far.")
        return ExitCode.INTERRUPTED
    return status


def _range_line(source: WalSource, by: str, reports: Sequence[RunReport]) -> list[str]:
    """pg_waldump's line above the tables that it has, too."""
    from pgreplterm.wal.stat import range_line

    walked = [report for report in reports if report.first is not None]
    if by not in ("rmgr", "record") or not walked or walked[0].first is None:
        return []
    end = walked[-1].end_lsn
    header = end % source.page_size  # WAL that ends with a page ends before the next page's header
    behind = end - header if header == (40 if (end - header) % source.segment_size == 0 else 24) else end
    return range_line(walked[0].first, behind, source.format.major)
