"""Starting the application, and its exit status.

Owns: Textual's switches, which it reads when it is imported, and what a terminal that is none is told.
Must not: be imported before the decision to open the terminal; this is where Textual is loaded.
"""

from __future__ import annotations

import os
import signal
import sys

from pgreplterm.errors import PgReplTermError
from pgreplterm.tui.options import TuiOptions
from pgreplterm.tui.sources import ClusterSource

# Animation is the largest avoidable cost on a slow link, and 60 frames a second say no more than 15 do.
SWITCHES = {"TEXTUAL_ANIMATIONS": "none", "TEXTUAL_SMOOTH_SCROLL": "0", "TEXTUAL_FPS": "15", "ESCDELAY": "50"}


def launch(source: ClusterSource, *, drills: bool, lab_name: str | None, options: TuiOptions) -> int:
    """Run the application; the exit status. Raises PgReplTermError when there is no terminal to run it in."""
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
    return app.return_code or 0
