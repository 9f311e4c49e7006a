"""``pgreplterm wal``: read WAL from a segment, a pg_wal folder or a data directory.

Owns: arguments and output of ls, dump, stat and verify. Must not: read WAL itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.errors import ExitCode

if TYPE_CHECKING:
    from pgreplterm.wal.source import Run, Segment, WalSource
    from pgreplterm.wal.verification import RunReport
    from pgreplterm.wal.walker import Rows

_path = click.argument("path", type=click.Path(path_type=Path, readable=False))
_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
_CONDITIONS = (
    click.option("-r", "--rmgr", "rmgrs", multiple=True, metavar="RMGR", help="Of this resource manager (repeatable)."),
    click.option("-x", "--xid", type=click.IntRange(min=0, max=2**32 - 1), help="Of this transaction."),
    click.option("-R", "--relation", metavar="T/D/R", help="That touch this relation: tablespace/database/file."),
    click.option("-B", "--block", type=click.IntRange(min=0, max=2**32 - 1), help="And this block of it."),
    click.option("-F", "--fork", type=click.Choice(("main", "fsm", "vm", "init")), help="That touch this fork."),
    click.option("-w", "--fullpage", "images_only", is_flag=True, help="That hold a full-page image."),
    click.option("-s", "--start", metavar="LSN", help="That begin here or later."),
    click.option("-e", "--end", metavar="LSN", help="That are over by here."),
)


def _conditions(command: Callable[..., int]) -> Callable[..., int]:
    """pg_waldump's options that choose records; the command gets them as ``**conditions``."""
    for option in reversed(_CONDITIONS):
        command = option(command)
    return command


@click.group()
def wal() -> None:
    """Read the WAL of PostgreSQL 13 to 19: a segment (also .gz, .zst), a pg_wal folder, a data directory."""


@wal.command("ls")
@_path
@_json
def list_segments(path: Path, as_json: bool) -> None:
    """List the segments, with what their first page says."""
    from pgreplterm.wal import open_source

    source = open_source(path)
    rows = [_segment_json(source, segment) for segment in source.segments]
    if as_json:
        _print_json({"path": str(path), **_source_json(source), "segments": rows})
        return
    click.echo(
        f"PostgreSQL {source.format.major}, system {source.system_identifier}, "
        f"segments of {source.segment_size // 1024**2} MB, pages of {source.page_size // 1024} kB"
    )
    click.echo(f"{'SEGMENT':<36} {'START':>17}  {'TLI':>4} {'STORED':>12}  FIRST PAGE")
    for row in rows:
        click.echo(
            f"{row['name']:<36} {row['start']:>17}  {row['timeline']:>4} {row['stored_bytes']:>12}  {row['first_page']}"
        )


@wal.command()
@_path
@click.option("--limit", "-n", type=click.IntRange(min=1), help="Stop after this many records.")
@_conditions
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def dump(path: Path, limit: int | None, as_json: bool, **conditions: Any) -> int:
    """Print records as pg_waldump does, up to the record name and the block references."""
    from pgreplterm.wal import open_source
    from pgreplterm.wal.choice import choice_of
    from pgreplterm.wal.verification import RunWalk

    choice = choice_of(**conditions)
    source = open_source(path)
    out = sys.stdout.buffer
    left = limit if limit is not None else sys.maxsize
    reports = []
    for run in source.runs:
        walk = RunWalk(source, run, collect=True)
        for rows in walk:
            wanted = choice.keep(rows).first(left)
            for piece in _pieces(source, wanted, as_json):
                out.write(piece)
            left -= wanted.count
            if not left:
                return ExitCode.OK
        reports.append(walk.report)
    return _narrate_ends(reports)


def _pieces(source: WalSource, rows: Rows, as_json: bool) -> Iterator[bytes | memoryview]:
    from pgreplterm.wal.dump import dump_text, record_json
    from pgreplterm.wal.records import RecordIndex

    if not as_json:
        return dump_text(rows, source.format.major)
    index = RecordIndex(rows)
    return (json.dumps(record_json(index, row, source.format.major)).encode() + b"\n" for row in index)


def _narrate_ends(reports: Sequence[RunReport]) -> int:
    """Say on stderr what was damaged and how each run ended; a finding is exit 1."""
    for report in reports:
        for sentence in (*(damage.sentence for damage in report.damages), report.sentence):
            click.echo(f"{_run_name(report.run)}: {sentence}", err=True)
    return _status(reports)


@wal.command()
@_path
@click.option(
    "--by",
    type=click.Choice(("rmgr", "record", "relation")),
    default="rmgr",
    show_default=True,
    help="A line for each.",
)
@_conditions
@_json
def stat(path: Path, by: str, as_json: bool, **conditions: Any) -> int:
    """Records and bytes by resource manager, by record type (both as pg_waldump --stats), or by relation."""
    from pgreplterm.wal import open_source
    from pgreplterm.wal.choice import choice_of
    from pgreplterm.wal.records import RecordIndex
    from pgreplterm.wal.tally import tally_by
    from pgreplterm.wal.verification import RunWalk

    choice = choice_of(**conditions)
    source = open_source(path)
    tally = tally_by(by, source.format)
    walks = [RunWalk(source, run, collect=True) for run in source.runs]
    for walk in walks:
        for rows in walk:
            tally.add(RecordIndex(choice.keep(rows)))
    if as_json:
        _print_json({"path": str(path), **_source_json(source), f"{by}s": tally.rows()})
    else:
        click.echo("\n".join(tally.lines()))
    return _narrate_ends([walk.report for walk in walks])


@wal.command()
@_path
@_json
def verify(path: Path, as_json: bool) -> int:
    """Check every record's CRC and chain; name the kind of end. Exit 1 when there is something to look at."""
    from pgreplterm.wal import open_source
    from pgreplterm.wal import verify as verify_source

    source = open_source(path)
    reports = []
    for report in verify_source(source):
        reports.append(report)
        if not as_json:
            _print_report(report)
    if as_json:
        runs = [_report_json(report) for report in reports]
        _print_json({"path": str(path), **_source_json(source), "runs": runs})
    return _status(reports)


def _status(reports: Sequence[RunReport]) -> int:
    return ExitCode.FINDING if any(report.is_finding for report in reports) else ExitCode.OK


def _print_report(report: RunReport) -> None:
    from pgreplterm.wal.explain import size_text

    click.echo(
        f"{_run_name(report.run)}: {report.records} records, {size_text(report.record_bytes)}, "
        f"{report.images} full-page images ({size_text(report.image_bytes)}), "
        f"{report.first or 'none'} to {report.end_lsn}"
    )
    for damage in report.damages:
        click.echo(f"  {damage.sentence}")
    click.echo(f"  {report.sentence}")


def _run_name(run: Run) -> str:
    first, last = run.segments[0].file_name, run.segments[-1].file_name
    return first if first == last else f"{first}..{last}"


def _report_json(report: RunReport) -> dict[str, Any]:
    return {
        "timeline": report.run.timeline,
        "segments": [segment.file_name for segment in report.run.segments],
        "records": report.records,
        "record_bytes": report.record_bytes,
        "images": report.images,
        "image_bytes": report.image_bytes,
        "first_lsn": _lsn(report.first),
        "last_lsn": _lsn(report.last),
        "end_lsn": str(report.end_lsn),
        "damages": [
            {
                "lsn": str(damage.at.record),
                "code": damage.at.code.name.lower(),
                "resumed_lsn": str(damage.resumed),
                "sentence": damage.sentence,
            }
            for damage in report.damages
        ],
        "end": report.end.value,
        "sentence": report.sentence,
    }


def _lsn(lsn: Any) -> str | None:
    return None if lsn is None else str(lsn)


def _source_json(source: WalSource) -> dict[str, Any]:
    return {
        "major": source.format.major,
        "system_identifier": str(source.system_identifier),
        "segment_size": source.segment_size,
        "page_size": source.page_size,
    }


def _segment_json(source: WalSource, segment: Segment) -> dict[str, Any]:
    from pgreplterm.wal.source import first_page_state

    return {
        "name": segment.file_name,
        "timeline": segment.timeline,
        "start": str(segment.start),
        "stored_bytes": segment.stored_size,
        "first_page": first_page_state(source, segment),
    }


def _print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2))
