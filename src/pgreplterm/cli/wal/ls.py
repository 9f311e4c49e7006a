"""``pgreplterm wal ls``.

Owns: the table of segments. Must not: read WAL itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pgreplterm.cli.tables import aligned
from pgreplterm.cli.wal.options import json_option
from pgreplterm.cli.wal.render import print_json, source_json
from pgreplterm.cli.wal_source import open_any, source_argument

if TYPE_CHECKING:
    from pgreplterm.wal.source import Segment, WalSource

_HEADINGS = ("SEGMENT", "START", "TLI", "STORED", "FIRST PAGE")


@click.command("ls")
@source_argument
@json_option
def list_segments(path: str, as_json: bool) -> None:
    """List the segments, with what their first page says."""
    source = open_any(path)
    rows = [_segment_json(source, segment) for segment in source.segments]
    if as_json:
        print_json({"path": source.path, **source_json(source), "segments": rows})
        return
    click.echo(
        f"PostgreSQL {source.format.major}, system {source.system_identifier}, "
        f"segments of {source.segment_size // 1024**2} MB, pages of {source.page_size // 1024} kB"
    )
    cells = [
        (row["name"], row["start"], str(row["timeline"]), str(row["stored_bytes"]), row["first_page"]) for row in rows
    ]
    click.echo("\n".join(aligned(_HEADINGS, cells, right=frozenset({"START", "TLI", "STORED"}))))


def _segment_json(source: WalSource, segment: Segment) -> dict[str, Any]:
    from pgreplterm.wal.source import first_page_state

    return {
        "name": segment.file_name,
        "timeline": segment.timeline,
        "start": str(segment.start),
        "stored_bytes": segment.stored_size,
        "first_page": first_page_state(source, segment),
    }
