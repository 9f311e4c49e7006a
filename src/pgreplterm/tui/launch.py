"""Starting the application, and its exit status.

Owns: Textual's switches, which it reads when it is imported, and what a terminal that is none is told.
Must not: be imported before the decision to open the terminal; this is where Textual is loaded.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path

from pgreplterm.errors import ExitCode, PgReplTermError
from pgreplterm.tui.options import TuiOptions
from pgreplterm.tui.sources import ClusterSource

# Animation is the largest avoidable cost on a slow link, and 60 frames a second say no more than 15 do.
SWITCHES = {"TEXTUAL_ANIMATIONS": "none", "TEXTUAL_SMOOTH_SCROLL": "0", "TEXTUAL_FPS": "15", "ESCDELAY": "50"}


class TerminalDefect(PgReplTermError):
    """The application ended by a mistake of its own."""

    exit_code = ExitCode.FINDING


def launch(source: ClusterSource, *, drills: bool, lab_name: str | None, options: TuiOptions) -> int:
    """Run the application; the exit status. Raises PgReplTermError when there is no terminal, or TerminalDefect."""
    if not sys.stdin.isatty() or not any(file and file.isatty() for file in (sys.__stderr__, sys.__stdout__)):
        raise PgReplTermError("the terminal program needs a terminal; use `pgreplterm status --watch` without one.")
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    from pgreplterm.tui.app import SIGNALS, ReplTermApp

    app = ReplTermApp(source, drills=drills, lab_name=lab_name, options=options)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        app.run(mouse=options.mouse)
    finally:
        for number, handler in handlers.items():  # the event loop put the defaults back, not the caller's
            signal.signal(number, handler)
    if app.failure is not None:
        raise TerminalDefect(_sentence(app.failure)) from app.failure
    return app.return_code or 0


def _sentence(error: Exception) -> str:
    """What a report of the defect needs: kind, message, and the line of this program it came from."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if "pgreplterm" in frame.filename]
    where = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return f"the terminal program failed ({type(error).__name__}: {error}){where}; this is a defect, please report it."
