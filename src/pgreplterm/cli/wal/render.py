"""What ``wal`` commands print of a source and of how its runs end.

Owns: words, columns and JSON keys. Must not: read WAL itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.errors import ExitCode

if TYPE_CHECKING:
    from pgreplterm.wal.source import Run, WalSource
    from pgreplterm.wal.verification import RunReport


def narrate_ends(reports: Sequence[RunReport]) -> int:
    """Say on stderr what was damaged and how each run ended, unless it was read only so far; a finding is exit 1."""
    from pgreplterm.wal.report import EndKind

    for report in reports:
        end = [] if report.end is EndKind.RANGE_END else [report.sentence]
        for sentence in (*(damage.sentence for damage in report.damages), *end):
            click.echo(f"{_run_name(report.run)}: {sentence}", err=True)
    return status(reports)


def status(reports: Sequence[RunReport]) -> int:
    return ExitCode.FINDING if any(report.is_finding for report in reports) else ExitCode.OK


def print_report(report: RunReport) -> None:
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


def report_json(report: RunReport) -> dict[str, Any]:
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
                "code": damage.code,
                "resumed_lsn": str(damage.resumed),
                "unreadable_bytes": damage.size,
                "pages": damage.pages,
                "sentence": damage.sentence,
            }
            for damage in report.damages
        ],
        "end": report.end.value,
        "sentence": report.sentence,
    }


def _lsn(lsn: Any) -> str | None:
    return None if lsn is None else str(lsn)


def source_json(source: WalSource) -> dict[str, Any]:
    return {
        "major": source.format.major,
        "system_identifier": str(source.system_identifier),
        "segment_size": source.segment_size,
        "page_size": source.page_size,
    }


def print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2))
