"""An engine that only says: a process that claims its run and writes a prepared journal."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pgreplterm.drill.request import Request
from pgreplterm.drill.runs import Run, new_run
from pgreplterm.lab import process

Events = Sequence[Mapping[str, Any]]
SCRIPT = """
import json, sys, time
from pathlib import Path
from pgreplterm.drill.control import Aborted
from pgreplterm.drill.engine import identity
from pgreplterm.drill.engine.abort import AbortSignals
from pgreplterm.drill.engine.tail import Tail
from pgreplterm.drill.runs import Run

run, lab, events = Run(Path(sys.argv[1])), sys.argv[2], json.loads(sys.argv[3])
AbortSignals().install()
identity.claim(run, lab)
told, words = Tail(run.control), []
with run.journal.open("a", buffering=1) as journal:
    def say(event):
        journal.write(json.dumps({"t": time.time(), **event}) + chr(10))
    try:
        for event in events:
            if "wait" in event:
                while event["wait"] not in words:
                    words += [each["command"] + each.get("text", "") for each in told.news()]
                    time.sleep(0.01)
                words.clear()
            elif "report" in event:
                run.report.write_text(json.dumps(event["report"]))
                say(event)
            else:
                say(event)
    except Aborted as aborted:
        say({"event": "healing", "reason": str(aborted)})
        say({"event": "failed", "detail": str(aborted), "healed": True})
"""
ENGINE_WITHIN = 20.0


def scripted(folder: Path, events: Events) -> Callable[[Request], Run]:
    """What starts such an engine; ``{"wait": "step"}`` among the events waits until it is told so."""

    def start(request: Request) -> Run:
        run = new_run(folder, request.name, request.lab, time.time())
        run.request.write_text(json.dumps(request.document()))
        told = [{"event": "requested", "request": request.document()}, *events]
        command = [sys.executable, "-c", SCRIPT, str(run.folder), request.lab, json.dumps(told)]
        with run.log.open("ab") as log:
            process.spawn(command, account=None, output=log, environment=dict(os.environ))
        deadline = time.monotonic() + ENGINE_WITHIN
        while not run.journal.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return run

    return start
