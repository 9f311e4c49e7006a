"""One run as a process: ``python -m pgreplterm.drill.engine RUN_FOLDER``, in a session of its own.

Owns: its arguments, its signals and its exit status. Must not: know what a run does (``drill.run``).

It needs no terminal, so losing one loses nothing: what it does is in the journal, what it is told in a file beside it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from pgreplterm.drill.control import Aborted
from pgreplterm.drill.engine import identity
from pgreplterm.drill.engine.abort import AbortSignals
from pgreplterm.drill.engine.file_control import FileControl
from pgreplterm.drill.engine.standing import last_word
from pgreplterm.drill.engine.tail import Tail
from pgreplterm.drill.journal import Journal
from pgreplterm.drill.report.model import Outcome
from pgreplterm.drill.request import Request, from_document
from pgreplterm.drill.runs import Run
from pgreplterm.errors import ExitCode, PgReplTermError
from pgreplterm.lab import places
from pgreplterm.lab.errors import LabError


def main() -> int:
    """Run the run named on the command line; its exit status."""
    with suppress(PermissionError):  # who started us did it already
        os.setsid()
    run = Run(Path(sys.argv[1]).absolute())
    signals = AbortSignals()
    signals.install()
    try:
        request = _request(run)
        identity.claim(run, request.lab)
        return _perform(request, run, signals)
    except PgReplTermError as error:
        _end_what_never_began(run, error)
        print(f"pgreplterm: {error}", file=sys.stderr)  # noqa: T201 - this goes to engine.log
        return ExitCode.INTERRUPTED if isinstance(error, Aborted) else error.exit_code


def _perform(request: Request, run: Run, signals: AbortSignals) -> int:
    from pgreplterm.drill.report.store import save
    from pgreplterm.drill.run import run as perform

    control = FileControl(run, request.stepwise, signals.heard, _disappearance(request.lab))
    report = perform(request, run, signals.heard, control)
    save(report, run)
    return ExitCode.OK if report.outcome is Outcome.PASSED else ExitCode.DRILL_FAILED


def _disappearance(lab: str) -> Callable[[], bool]:
    """Whether the lab was there and is no more; that of a scenario may not have been made yet."""
    seen = False

    def gone() -> bool:
        nonlocal seen
        try:
            places.find(lab)
        except LabError:
            return seen
        seen = True
        return False

    return gone


def _request(run: Run) -> Request:
    try:
        return from_document(json.loads(run.request.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PgReplTermError(f"{run.request}: expected a request, found none ({type(error).__name__}).") from None


def _end_what_never_began(run: Run, error: PgReplTermError) -> None:
    """The last word of a run that was aborted before it did anything; one that had begun is for ``drill heal``."""
    if not run.journal.exists() or last_word(run) is not None:
        return
    if not any(event.get("event") == "running" for event in Tail(run.journal).news()):
        with closing(Journal(run.journal)) as journal:
            journal.write("failed", detail=str(error), healed=True)


if __name__ == "__main__":
    sys.exit(main())
