"""``pgreplterm wal dump``.

Owns: its options, and where records go. Must not: read WAL itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.cli import say
from pgreplterm.cli.wal.options import conditions_options
from pgreplterm.cli.wal.render import narrate_ends
from pgreplterm.cli.wal_source import open_any, source_argument, stream_option
from pgreplterm.errors import ExitCode

if TYPE_CHECKING:
    from pgreplterm.wal.choice import Choice
    from pgreplterm.wal.parts import Part
    from pgreplterm.wal.report import RunReport
    from pgreplterm.wal.source import Run, WalSource
    from pgreplterm.wal.walker import Rows


@click.command()
@source_argument
@stream_option
@click.option("--limit", "-n", type=click.IntRange(min=1), help="Stop after this many records.")
@click.option("--follow", "-f", is_flag=True, help="At the end wait for more, as a server writes it.")
@click.option("--bkp-details", "-b", "details", is_flag=True, help="A line for each block reference.")
@click.option(
    "--save-fullpage",
    "save_into",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Save the images of these records.",
)
@conditions_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def dump(
    path: str,
    timeline: str | None,
    limit: int | None,
    follow: bool,
    details: bool,
    save_into: Path | None,
    as_json: bool,
    **conditions: Any,
) -> int:
    """Print records as the pg_waldump of their major does."""
    from pgreplterm.wal.choice import choice_of
    from pgreplterm.wal.parts import parts

    if follow and conditions["until"] is not None:
        raise click.UsageError("--until cannot end --follow, which waits for times to come: use --end or --limit")
    choice = choice_of(**conditions)
    source = open_any(path, timeline)
    found = parts(source, choice)
    output = _Output(source, details, save_into, as_json, limit)
    beginning = _Beginning(choice, source.segment_size)
    reports: list[RunReport] = []
    for part in found:
        for remark in part.remarks:
            say(remark)
        if follow and part is found[-1]:
            return _follow(source, part, output, beginning, latest=timeline == "latest") or narrate_ends(reports)
        report = _dump_part(source, part, output, beginning)
        if report is None:
            return ExitCode.OK
        reports.append(report)
    return beginning.status or narrate_ends(reports)


def _dump_part(source: WalSource, part: Part, output: _Output, beginning: _Beginning) -> RunReport | None:
    """Print one run's part; None when the limit was reached."""
    from pgreplterm.wal.verification import RunWalk

    walk = RunWalk(source, part.run, collect=True, start=part.choice.start, end=part.choice.end)
    for rows in walk:
        beginning.look_at(rows)
        if not output.write(part.choice.keep(rows), part.run):
            return None
    return walk.report


def _follow(source: WalSource, part: Part, output: _Output, beginning: _Beginning, *, latest: bool) -> int:
    """Print a run's part and then what a server adds to it, until the limit, the end, or Ctrl-C."""
    from pgreplterm.wal.growing import Tail

    tail = Tail(source, part.run, start=part.choice.start, end=part.choice.end, latest=latest, say=say)
    try:
        for rows in tail:
            beginning.look_at(rows)
            if not output.write(part.choice.keep(rows), tail.run):
                break
            output.flush()
    except KeyboardInterrupt:  # which is how following ends, so there is nothing to say about it
        output.flush()
        return ExitCode.INTERRUPTED
    return ExitCode.OK


class _Beginning:
    """Says what pg_waldump says when no record begins at the LSN that was asked for."""

    def __init__(self, choice: Choice, segment_size: int) -> None:
        self._start, self._end, self._segment_size = choice.start, choice.end, segment_size
        self._found = choice.start is None

    def look_at(self, rows: Rows) -> None:
        from pgreplterm.wal.lsn import LSN
        from pgreplterm.wal.records import RecordIndex

        if self._found or self._start is None:
            return
        first = next((row for row in RecordIndex(rows) if row.lsn >= self._start), None)
        if first is None or (self._end is not None and first.end > self._end):
            return
        self._found = True
        if first.lsn != self._start and self._start % self._segment_size:
            skipped = first.lsn - self._start
            bytes_skipped = f"{skipped} byte{'' if skipped == 1 else 's'}"
            say(f"first record is after {self._start}, at {LSN(first.lsn)}, skipping over {bytes_skipped}")

    @property
    def status(self) -> int:
        """Once everything was read: a finding, said, if no record begins at the start or behind it."""
        if self._found:
            return ExitCode.OK
        say(f"could not find a valid record after {self._start}.")
        return ExitCode.FINDING


class _Output:
    """Where chosen rows go: to stdout, as lines or JSON, and their images into a folder."""

    def __init__(
        self, source: WalSource, details: bool, save_into: Path | None, as_json: bool, limit: int | None
    ) -> None:
        self._out = sys.stdout.buffer
        self._pieces = _json_pieces(source) if as_json else _line_pieces(source, details)
        self._save = _saver(source, save_into)
        self._left = sys.maxsize if limit is None else limit

    def write(self, rows: Rows, run: Run) -> bool:
        """False once the limit is reached."""
        wanted = rows.first(self._left)
        for piece in self._pieces(wanted, run):
            self._out.write(piece)
        if self._save is not None:
            self._save(wanted, run)
        self._left -= wanted.count
        return self._left > 0

    def flush(self) -> None:
        self._out.flush()


_Pieces = Callable[["Rows", "Run"], Iterator[bytes | memoryview]]


def _line_pieces(source: WalSource, details: bool) -> _Pieces:
    from pgreplterm.wal.dump import Printer

    printer = Printer(source.format.major, source.block_size, details=details)
    return lambda rows, _: printer.text(rows)


def _json_pieces(source: WalSource) -> _Pieces:
    from pgreplterm.wal.dump import record_json
    from pgreplterm.wal.reader import Records

    records, encode = Records(source), json.JSONEncoder(check_circular=False).encode
    return lambda rows, run: (f"{encode(record_json(record))}\n".encode() for record in records.of(rows, run))


def _saver(source: WalSource, folder: Path | None) -> Callable[[Rows, Run], object] | None:
    """What keeps the images of rows, if they are to be kept."""
    if folder is None:
        return None
    from pgreplterm.wal.image import images_in
    from pgreplterm.wal.save_fullpage import create_fullpage_folder, save_fullpage

    create_fullpage_folder(folder)
    return lambda rows, run: save_fullpage(folder, images_in(rows, source.block_size, run.timeline))
