"""What ``fault ls`` prints, as a document and as lines.

Owns: that document's keys and the lines made of it. Must not: inject, heal, or print.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pgreplterm.cli.tables import aligned
from pgreplterm.cluster.words import duration_in_words, instant, printable
from pgreplterm.errors import PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.lab.faults.fault import Fault
    from pgreplterm.lab.lab import Lab

UNDOING = {
    "restore": "restoring what was before; nothing is lost",
    "restart": "starting the node again, with crash recovery where it crashed",
    "reclone": "making the node, or those that follow it, again from a base backup",
}


def document(lab: Lab | None, faults: Sequence[Fault], now: float) -> dict[str, Any]:
    """Those faults, with why one cannot be injected at a target of that lab (null: it can), and all active ones."""
    return {
        "lab": lab.name if lab is not None else None,
        "faults": [_entry(lab, fault) for fault in faults],
        "active": active(lab, now) if lab is not None else [],
    }


def active(lab: Lab, now: float) -> list[dict[str, Any]]:
    """The faults of a lab, oldest first; a record that cannot be read has an error and no name."""
    from pgreplterm.lab.faults.record import readable

    records, complaints = readable(lab.directory)
    found: list[dict[str, Any]] = [
        {
            "number": record.number,
            "fault": record.fault,
            "target": record.order.target,
            "options": dict(record.order.options),
            "stage": record.stage.value,
            "done": record.done,
            "injected_at": instant(record.injected_at),
            "age": now - record.injected_at,
            "until": None if record.until is None else instant(record.until),
            "overdue": None if record.until is None else max(0.0, now - record.until) or None,
            "error": record.error,
        }
        for record in records
    ]
    return found + [{"number": None, "fault": None, "error": complaint} for complaint in complaints]


def catalogue_lines(found: Mapping[str, Any], within: int | None) -> list[str]:
    """The faults there are, each with its effect; a mark at those that this lab cannot have anywhere now."""
    rows = [[("-" if _is_nowhere(each) else "") + each["name"], each["effect"]] for each in found["faults"]]
    lines = aligned(["FAULT", "EFFECT"], rows, within=within)
    marked = "-: nowhere on this lab now. " if any(row[0].startswith("-") for row in rows) else ""
    return [*lines, "", f"{marked}More of one: 'pgreplterm fault ls NAME'."]


def detail_lines(entry: Mapping[str, Any], within: int | None) -> list[str]:
    """All about one fault: its effect, what undoing it costs, its options, and where it can be injected now."""
    rows = [
        ["effect", entry["effect"]],
        ["at a", entry["aim"]],
        ["undone by", UNDOING[entry["undoing"]]],
        *(
            ["option", f"-o {name}={option['default']:.10g} ({option['unit']}): {option['meaning']}"]
            for name, option in entry["options"].items()
        ),
        *(["now", line] for line in _places(entry)),
    ]
    return [entry["name"], *(f"  {line}" for line in aligned(["", ""], rows, within=within and within - 2)[1:])]


def active_lines(found: Mapping[str, Any]) -> list[str]:
    """The active faults, a line each."""
    if found["lab"] is None:
        return ["There is no lab: 'pgreplterm lab up' makes one."]
    if not found["active"]:
        return [f"No fault is active on lab {found['lab']}."]
    return [f"Active on lab {found['lab']}:", *(f"  {described(entry)}" for entry in found["active"])]


def described(entry: Mapping[str, Any]) -> str:
    """One active fault in a line."""
    if entry["fault"] is None:
        return printable(entry["error"])
    words = [f"{entry['number']}: {entry['fault']} at {entry['target']}, {duration_in_words(entry['age'])} old"]
    if entry["stage"] != "injected":
        words.append(f"left while {entry['stage']}")
    if entry["overdue"] is not None:
        words.append(f"overdue for {duration_in_words(entry['overdue'])}: heal it")
    elif entry["until"] is not None:
        words.append(f"until {entry['until']}")
    if entry["error"] is not None:
        words.append(f"not healed: {entry['error']}")
    return printable("; ".join(words))


def _entry(lab: Lab | None, fault: Fault) -> dict[str, Any]:
    return {
        "name": fault.name,
        "aim": fault.aim.value,
        "effect": fault.effect,
        "undoing": fault.undoing.value,
        "options": {
            name: {"meaning": option.meaning, "unit": option.unit, "default": option.default}
            for name, option in fault.options.items()
        },
        "unavailable": _unavailable(lab, fault) if lab is not None else {},
    }


def _unavailable(lab: Lab, fault: Fault) -> dict[str, str | None]:
    """Why not, by target."""
    from pgreplterm.lab.faults.request import targets

    found: dict[str, str | None] = {}
    for target in targets(lab, fault):
        try:
            found[target] = fault.unavailable(lab, target)
        except PgReplTermError as error:
            found[target] = str(error)
    return found


def _is_nowhere(entry: Mapping[str, Any]) -> bool:
    return bool(entry["unavailable"]) and None not in entry["unavailable"].values()


def _places(entry: Mapping[str, Any]) -> list[str]:
    """Where it can be injected, then a line for each reason against, with the targets it holds for."""
    by_reason: dict[str | None, list[str]] = {}
    for target, reason in entry["unavailable"].items():
        by_reason.setdefault(reason, []).append(target)
    possible = by_reason.pop(None, [])
    lines = [f"at {', '.join(possible)}"] if possible else []
    return lines + [printable(f"not at {', '.join(names)}: {reason}") for reason, names in by_reason.items()]
