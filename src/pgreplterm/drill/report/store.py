"""A report's files in a run's folder, and those of earlier runs.

Owns: report.json, report.md and report.html, each whole or not there. Must not: know what stands in them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pgreplterm.cluster.words import printable
from pgreplterm.drill.report.compare import LAST, Comparison, alike, compare
from pgreplterm.drill.report.document import as_document, from_document
from pgreplterm.drill.report.html import as_html
from pgreplterm.drill.report.markdown import as_markdown
from pgreplterm.drill.report.model import Report
from pgreplterm.drill.runs import Run, runs
from pgreplterm.errors import PgReplTermError

_LOOKED_AT = 500
"""Runs looked at, newest first, in search of those that are alike."""

_HEAD = 4096


def save(report: Report, run: Run, comparison: Comparison | None = None) -> tuple[Path, Path, Path]:
    """Write the three; the paths of report.json, report.md and report.html.

    It is compared with the runs beside it, unless a comparison is given. report.json comes last: where it is, all are.
    Raises PgReplTermError when they cannot be written.
    """
    if comparison is None:
        comparison = compared(report, run.folder.parent)
    texts = {
        run.report.with_suffix(".html"): as_html(report, comparison),
        run.report.with_suffix(".md"): as_markdown(report, comparison),
        run.report: _as_json(report),
    }
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            write_whole(path, text)
    except OSError as error:
        raise PgReplTermError(
            f"{run.folder}: expected to write the report here; {error.strerror}. Name another place with --report-dir."
        ) from error
    return run.report, run.report.with_suffix(".md"), run.report.with_suffix(".html")


def load(path: Path) -> Report:
    """The report in that file, or in that run's folder. Raises PgReplTermError."""
    place = path / "report.json" if path.is_dir() else path
    try:
        document = json.loads(place.read_bytes())
    except OSError as error:
        raise PgReplTermError(
            f"{printable(str(place))}: expected a report here; {error.strerror}. Name a run that has one."
        ) from error
    except ValueError as error:
        raise PgReplTermError(
            f"{printable(str(place))}: expected a report as JSON; {printable(str(error))}. Run the drill again for one."
        ) from error
    return from_document(document, str(place))


def compared(report: Report, base: Path, last: int = LAST) -> Comparison:
    """With the newest runs below base that are alike."""
    return compare(report, islice(earlier(report, base), last), last)


def earlier(report: Report, base: Path) -> Iterator[Report]:
    """The runs below base that compare with it, newest first; one that cannot be read is passed over."""
    for run in islice(runs(base), _LOOKED_AT):
        if not _names(run.report, report.name):
            continue
        try:
            other = load(run.report)
        except PgReplTermError:
            continue
        if alike(report, other):
            yield other


def _names(path: Path, name: str) -> bool:
    """Whether the head of a report has that name: the curves of all others need not be read."""
    try:
        with path.open("rb") as file:
            return f'"name": {json.dumps(name)}'.encode() in file.read(_HEAD)
    except OSError:
        return False


def write_whole(path: Path, text: str) -> None:
    """The file is there in full, or as it was. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8", errors="replace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _as_json(report: Report) -> str:
    """A line for each key, so that the points of a curve do not take thousands."""
    lines = [f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in as_document(report).items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"
