"""``pgreplterm replay``: a recording in the terminal, or what is in it.

Owns: its arguments and the list. Must not: draw, or read frames.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.cli.tables import aligned
from pgreplterm.cli.terminal import Terminal, is_interactive
from pgreplterm.errors import ExitCode, PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.recording.reader import Recording


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--list", "as_list", is_flag=True, help="What is in it, every frame checked; opens no terminal.")
@click.option("--json", "as_json", is_flag=True, help="That list as one JSON document.")
@click.option("--at", metavar="TIME|MARK", help="Begin there: an instant, +SECONDS, first, last, #N or a mark's text.")
@click.option("--ascii", "ascii_only", is_flag=True, help="No glyphs beyond ASCII.")
@click.pass_obj
def replay(terminal: Terminal, file: Path, as_list: bool, as_json: bool, at: str | None, ascii_only: bool) -> int:
    """Go through a recording in the terminal, forward and backward.

    For scripts: `--list`, and `--replay FILE [--at TIME|MARK]` of status, lag, slots, timeline and check.

    Exits 1 when part of the recording is lost; what is whole is shown all the same.
    """
    from pgreplterm.recording.moments import moment
    from pgreplterm.recording.reader import Recording

    with Recording(file, by_scan=as_list or as_json) as recording:
        if as_list or as_json:
            recording.check()
            click.echo(json.dumps(list_document(recording), indent=2) if as_json else "\n".join(list_lines(recording)))
            return _told(recording, ExitCode.OK)
        if not is_interactive():
            raise PgReplTermError(
                "expected a terminal to draw on, found none; for scripts there are: replay --list, status --replay"
            )
        begin = moment(recording, "first" if at is None else at)
        return _told(recording, terminal.watch_recording(recording, begin, ascii_only))


def _told(recording: Recording, status: int) -> int:
    if recording.damage is None:
        return status
    click.echo(f"pgreplterm: {recording.damage}", err=True)
    return status or ExitCode.FINDING


def list_lines(recording: Recording) -> list[str]:
    """The range, the counts and every mark."""
    from pgreplterm.cluster.words import duration_in_words, instant, printable, size_in_words

    count, about = len(recording), recording.about
    files = f"{len(recording.files)} files, " if len(recording.files) > 1 else ""
    closed = "closed" if recording.is_closed else "not closed: its writer is at work, or was killed"
    lines = [
        f"recording  {recording.path}: {files}{size_in_words(recording.size)}, {closed}",
        f"cluster    {printable(about.title)}, every {about.interval:g} s, by {printable(about.program)}",
    ]
    if count:
        first, last = recording.at(0), recording.at(count - 1)
        lines.append(f"time       {instant(first)} to {instant(last)} ({duration_in_words(max(0.0, last - first))})")
    lines.append(f"frames     {count} snapshots, {len(recording.marks)} marks")
    if recording.marks:
        begin = recording.at(0) if count else recording.marks[0].at
        rows = [
            (f"#{number}", instant(mark.at), f"{mark.at - begin:+.1f}", printable(mark.text))
            for number, mark in enumerate(recording.marks, start=1)
        ]
        lines += ["", *aligned(("N", "AT", "SECONDS", "MARK"), rows, frozenset({"N", "SECONDS"}))]
    return lines


def list_document(recording: Recording) -> dict[str, Any]:
    """The same for a script; keys are a contract."""
    from pgreplterm.cluster.words import instant

    count = len(recording)
    return {
        "path": str(recording.path),
        "files": [str(path) for path in recording.files],
        "bytes": recording.size,
        "closed": recording.is_closed,
        "damage": recording.damage,
        "title": recording.about.title,
        "program": recording.about.program,
        "interval": recording.about.interval,
        "first": instant(recording.at(0)) if count else None,
        "last": instant(recording.at(count - 1)) if count else None,
        "snapshots": count,
        "marks": [{"at": instant(mark.at), "text": mark.text, "snapshot": mark.frame} for mark in recording.marks],
    }
