"""What ``drill ls``, ``drill plan`` and ``drill runs`` print, as documents and as lines.

Owns: the keys of those documents and the lines made of them. Must not: look at a cluster, or print.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pgreplterm.cli.tables import aligned
from pgreplterm.cluster.words import printable, size_in_words

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.drill.check import Check
    from pgreplterm.drill.procedure import Procedure
    from pgreplterm.drill.runs import Run

Document = dict[str, Any]


def kind_document(kind: type[Procedure]) -> Document:
    """One drill there is."""
    return {
        "kind": kind.kind,
        "effect": kind.effect,
        "radius": kind.radius,
        "duration": kind.duration,
        "reversibility": kind.reversibility,
        "options": {
            name: {"meaning": each.meaning, "default": each.default, "required": each.required}
            for name, each in kind.options.items()
        },
    }


def kind_lines(found: Document, within: int | None) -> list[str]:
    """The drill in full."""
    rows = [
        ["who notices", found["radius"]],
        ["takes", found["duration"]],
        ["way back", found["reversibility"]],
        *(["option", _option(name, each)] for name, each in found["options"].items()),
    ]
    return [*_folded(f"{found['kind']}: {found['effect']}", within), *_indented(rows, within)]


def plan_document(
    procedure: Procedure, lab: str, checks: Sequence[Check], snapshot: ClusterSnapshot | None = None
) -> Document:
    """A drill on that cluster as it is now, with the verdicts of its preflight; at_risk is in bytes by primary."""
    from pgreplterm.drill.choose import bytes_at_risk

    primaries = snapshot.primaries if snapshot is not None else ()
    return {
        **kind_document(type(procedure)),
        "lab": lab,
        "arguments": dict(procedure.scene.arguments),
        "allowed": all(check.allows for check in checks),
        "preflight": [
            {"name": each.name, "verdict": each.verdict.value, "evidence": each.evidence, "remedy": each.remedy}
            for each in checks
        ],
        "steps": [{"name": each.name, "will": each.will, "why": each.why} for each in procedure.steps()],
        "at_risk_bytes": {node.name: bytes_at_risk(snapshot, node.name) for node in primaries if snapshot is not None},
    }


def plan_lines(found: Document, within: int | None) -> list[str]:
    """The preflight, the steps, and what is at risk."""
    head = [["who notices", found["radius"]], ["takes", found["duration"]], ["way back", found["reversibility"]]]
    head += [["option", f"{name}={value}"] for name, value in found["arguments"].items()]
    head += [[f"at risk on {name}", _risk(count)] for name, count in found["at_risk_bytes"].items()]
    steps = [[f"{number}.", each["name"], each["will"]] for number, each in enumerate(found["steps"], start=1)]
    end = "It may run." if found["allowed"] else "It is refused as things are."
    return [
        *_folded(f"{found['kind']} on lab {found['lab']}: {found['effect']}", within),
        *_indented(head, within),
        "preflight",
        *_indented([_check(each) for each in found["preflight"]], within),
        "steps",
        *_indented(steps, within),
        f"{end} Nothing was done.",
    ]


def run_document(run: Run) -> Document:
    """One run there was, and what became of it."""
    import json

    from pgreplterm.drill.engine.standing import last_word, standing_of

    try:
        request = json.loads(run.request.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        request = {}
    word = last_word(run) or {}
    return {
        "run": run.name,
        "folder": str(run.folder),
        "kind": request.get("kind"),
        "name": request.get("name"),
        "lab": request.get("lab"),
        "standing": standing_of(run).value,
        "outcome": (word.get("report") or {}).get("outcome"),
        "detail": word.get("detail"),
    }


def run_lines(found: Iterable[Document], within: int | None) -> list[str]:
    """All of them, a line or more each."""
    rows = [[each["run"], printable(_became(each))] for each in found]
    return aligned(["RUN", "BECAME"], rows, within=within) if rows else ["There was no run yet."]


def _became(found: Document) -> str:
    if found["outcome"] is not None:
        return str(found["outcome"])
    return f"{found['standing']}: {found['detail']}" if found["detail"] else str(found["standing"])


def _option(name: str, found: Mapping[str, Any]) -> str:
    default = " (required)" if found["required"] else f" ({found['default']})" if found["default"] else ""
    return f"--set {name}=...{default}: {found['meaning']}"


def _check(found: Mapping[str, Any]) -> list[str]:
    remedy = f". {found['remedy']}" if found["remedy"] else ""
    return [found["verdict"], printable(f"{found['name']}: {found['evidence']}{remedy}")]


def _risk(count: int | None) -> str:
    if count is None:
        return "unknown: no standby says how far it is"
    return size_in_words(count) if count < 1024 else f"{count} bytes ({size_in_words(count)})"


def _folded(text: str, within: int | None) -> list[str]:
    return textwrap.wrap(printable(text), within, subsequent_indent="  ") if within else [printable(text)]


def _indented(rows: Sequence[Sequence[str]], within: int | None) -> list[str]:
    if not rows:
        return []
    lines = aligned([""] * len(rows[0]), rows, within=within and within - 2)[1:]
    return [f"  {line}" for line in lines]
