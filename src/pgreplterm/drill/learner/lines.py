"""An entry of the learner's log as one line of JSON, both ways.

Owns: the keys. Must not: open files.

    {"entry": "run", "number": 5, "name": "network-interruption", "title", "level", "teaches", "started_at",
     "finished_at", "seconds", "outcome", "backend", "server_version", "run",
     "figures": {key: {label, value, unit, how}}}
    {"entry": "note", "number": 5, "name": "network-interruption", "at", "text"}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pgreplterm.drill.figures import Figure
from pgreplterm.drill.learner.model import Entry, Finished, Note
from pgreplterm.drill.report.document import plain_figures, read_figures
from pgreplterm.drill.report.model import Outcome
from pgreplterm.errors import PgReplTermError

_TEXTS = ("title", "level", "teaches", "backend", "server_version", "run")


def as_line(entry: Entry) -> str:
    """One line, with its end."""
    return json.dumps(as_document(entry), allow_nan=False) + "\n"


def as_document(entry: Entry) -> dict[str, Any]:
    """As plain data; instants are epoch seconds."""
    if isinstance(entry, Note):
        return {"entry": "note", "number": entry.number, "name": entry.name, "at": entry.at, "text": entry.text}
    return {
        "entry": "run",
        "number": entry.number,
        "name": entry.name,
        **{key: getattr(entry, key) for key in _TEXTS},
        "started_at": entry.started_at,
        "finished_at": entry.finished_at,
        "seconds": round(entry.seconds, 3),
        "outcome": str(entry.outcome),
        "figures": plain_figures(entry.figures.values()),
    }


def entry_of(line: str) -> Entry | None:
    """The inverse; None for a line that is torn, or of a kind that is not known here."""
    try:
        document = json.loads(line)
        if not isinstance(document, dict):
            return None
        return _READ[document["entry"]](document)
    except (ValueError, KeyError, TypeError, PgReplTermError):
        return None


def _finished(document: Mapping[str, Any]) -> Finished:
    figures: tuple[Figure, ...] = read_figures(document.get("figures"), "the log")
    return Finished(
        name=str(document["name"]),
        outcome=Outcome(document["outcome"]),
        started_at=float(document["started_at"]),
        finished_at=float(document["finished_at"]),
        number=_number(document),
        figures={each.key: each for each in figures},
        **{key: str(document.get(key) or "") for key in _TEXTS},
    )


def _note(document: Mapping[str, Any]) -> Note:
    return Note(str(document["name"]), str(document["text"]), float(document["at"]), _number(document))


def _number(document: Mapping[str, Any]) -> int | None:
    found = document.get("number")
    return found if isinstance(found, int) and not isinstance(found, bool) else None


_READ: Mapping[str, Callable[[Mapping[str, Any]], Entry]] = {"run": _finished, "note": _note}
