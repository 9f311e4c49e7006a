"""``pgreplterm wal verify``.

Owns: its options and its report. Must not: read WAL itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pgreplterm.cli import say
from pgreplterm.cli.wal.engine import at_work, engine_option
from pgreplterm.cli.wal.options import jobs_option, json_option
from pgreplterm.cli.wal.render import print_json, print_report, report_json, source_json, status
from pgreplterm.cli.wal_source import open_any, source_argument, timeline_option
from pgreplterm.errors import ExitCode

if TYPE_CHECKING:
    from pgreplterm.wal.source import WalSource
    from pgreplterm.wal.verification import RunReport


@click.command()
@source_argument
@timeline_option
@jobs_option
@engine_option
@click.option(
    "--ledger",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Read only what is new since the last time with this FILE, and keep what was found in it.",
)
@json_option
def verify(
    path: str, timeline: str | None, jobs: int | None, engine: str | None, ledger: Path | None, as_json: bool
) -> int:
    """Check every record's CRC and chain; name the kind of end. Exit 1 when there is something to look at.

    Interrupted, it says what is known so far.
    """
    from pgreplterm.wal import verify as verify_source
    from pgreplterm.wal.verification import SoFar

    if ledger is not None and (jobs is not None or engine is not None):
        raise click.UsageError("with --ledger one thread reads what is new: leave --jobs and --engine out")
    source, so_far = open_any(path, timeline), SoFar()
    reports: list[RunReport] = []

    def show(found: Iterable[RunReport]) -> None:
        for report in found:
            reports.append(report)
            if not as_json:
                with bar.aside():
                    print_report(report)
        if as_json:
            with bar.aside():
                runs = [report_json(report) for report in reports]
                print_json({"path": source.path, **source_json(source), "runs": runs})

    with at_work(engine, jobs, so_far) as (walkers, bar):
        try:
            show(_verified(source, ledger) if ledger else verify_source(source, walkers, so_far))
        except KeyboardInterrupt:
            show(list(so_far)[len(reports) :])
            with bar.aside():
                say("interrupted: what is not listed was not verified.")
            return ExitCode.INTERRUPTED
    return status(reports)


def _verified(source: WalSource, ledger: Path) -> Iterable[RunReport]:
    from pgreplterm.wal.ledger import verify_with_ledger

    return verify_with_ledger(source, ledger, say)
