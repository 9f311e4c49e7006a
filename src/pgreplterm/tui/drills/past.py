"""The runs there were, each as a line: what, when, how it ended.

Owns: reading the runs' folder, a run once.
Must not: import Textual, or call a run passed that left no report.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pgreplterm.drill.report.model import Outcome, Report
from pgreplterm.drill.request import Kind
from pgreplterm.drill.runs import Run, runs
from pgreplterm.errors import PgReplTermError

MOST = 200
HEADLINES = (
    "downtime_seconds",
    "rto_seconds",
    "lost",
    "lost_ids",
    "rejoin_seconds",
    "peak_lag_bytes",
    "clone_seconds",
    "catch_up_seconds",
)
SHOWN = 2
UNENDED = ("running", "never began")


@dataclass(frozen=True, slots=True)
class PastRun:
    """ended says how, in a word: an Outcome, or what became of a run without a report. line: its first figures."""

    run: Run
    kind: Kind
    name: str
    lab: str
    began: float
    ended: str
    line: str = ""

    @property
    def good(self) -> bool:
        """Whether it passed."""
        return self.ended == Outcome.PASSED


class PastRuns:
    """Newest first. ``read`` costs a look at each run that is new; those that have ended are remembered."""

    def __init__(self, base: Path | None = None) -> None:
        """base is the runs' folder; None: the usual one."""
        self._base = base
        self._known: dict[Path, PastRun] = {}
        self.all: tuple[PastRun, ...] = ()

    def read(self) -> tuple[PastRun, ...]:
        """All of them now. Reads files: not for the event loop."""
        from pgreplterm.drill.runs import default_base

        found = [self._one(run) for run in islice(runs(self._base or default_base()), MOST)]
        self.all = tuple(each for each in found if each is not None)
        return self.all

    def last_of(self, kind: Kind, name: str) -> PastRun | None:
        """The newest of that drill or scenario that has ended."""
        return last_of(self.all, kind, name)

    def _one(self, run: Run) -> PastRun | None:
        known = self._known.get(run.folder)
        if known is not None:
            return known
        past = read_run(run)
        if past is not None and past.ended in {each.value for each in Outcome}:
            self._known[run.folder] = past
        return past


def last_of(pasts: Iterable[PastRun], kind: Kind, name: str) -> PastRun | None:
    """The newest of that drill or scenario that has ended."""
    return next((each for each in pasts if (each.kind, each.name) == (kind, name) and each.ended not in UNENDED), None)


def read_run(run: Run) -> PastRun | None:
    """One run; None for a folder without a request."""
    try:
        request = json.loads(run.request.read_text(encoding="utf-8"))
        kind, name, lab = Kind(request["kind"]), Path(str(request["name"])).stem, str(request["lab"])
        began = run.request.stat().st_mtime
    except (OSError, ValueError, KeyError, TypeError):
        return None
    try:
        report = report_of(run)
    except PgReplTermError as error:
        return PastRun(run, kind, name, lab, began, "unreadable", str(error))
    if report is None:
        return PastRun(run, kind, name, lab, began, *_without_report(run))
    return PastRun(run, kind, name, lab, report.started_at, str(report.outcome), headline(report))


def report_of(run: Run) -> Report | None:
    """Its report: the file, or what its journal ends with, which is there a moment earlier; None when it has none.

    Raises PgReplTermError for one that cannot be read.
    """
    from pgreplterm.drill.engine.standing import last_word
    from pgreplterm.drill.report.document import from_document
    from pgreplterm.drill.report.store import load

    if run.report.exists():
        return load(run.report)
    word = last_word(run) or {}
    return from_document(word["report"], str(run.journal)) if word.get("report") else None


def headline(report: Report) -> str:
    """Its first figures in a clause, or why it did not pass."""
    from pgreplterm.drill.report.words import figure_in_words

    if report.outcome is not Outcome.PASSED and report.reason:
        return report.reason
    found = [figure for key in HEADLINES if (figure := report.figure(key)) is not None and figure.value is not None]
    found = found or [each for each in report.figures if isinstance(each.value, int | float)]
    return ", ".join(f"{each.label.lower()} {figure_in_words(each)}" for each in found[:SHOWN])


def _without_report(run: Run) -> tuple[str, str]:
    from pgreplterm.drill.engine.standing import Standing, last_word, standing_of

    if not run.journal.exists():
        return "never began", ""
    standing = standing_of(run)
    word: Mapping[str, object] = last_word(run) or {}
    if standing is Standing.DONE:
        return "no report", "its journal ends with none"
    return str(standing), str(word.get("detail") or "")
