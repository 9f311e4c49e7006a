"""Scenarios as text and as JSON documents.

Owns: the columns, the order of what is told, and the keys of the documents. Must not: read files.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pgreplterm.cli.tables import aligned
from pgreplterm.cluster.words import instant, printable
from pgreplterm.drill.learner.model import Entry as LogEntry
from pgreplterm.drill.learner.model import Finished
from pgreplterm.drill.scenario.catalogue import Entry
from pgreplterm.drill.scenario.expectation import sentence
from pgreplterm.drill.scenario.model import Scenario
from pgreplterm.lab.shape.tree import shape_of

Document = dict[str, Any]
_NEVER = "-"


def catalogue_document(known: Iterable[Entry], log: Iterable[LogEntry]) -> list[Document]:
    """Every scenario that can be named, with how its last run went."""
    last = _last(log)
    return [
        {**_head(each.scenario), "ours": each.ours, "last": _finished(last.get(each.scenario.name))}
        for each in known
        if each.scenario is not None and each.problem is None
    ]


def _last(log: Iterable[LogEntry]) -> Mapping[str, Finished]:
    runs = [each for each in log if isinstance(each, Finished)]
    return {each.name: each for each in sorted(runs, key=lambda each: each.finished_at)}


def _finished(run: Finished | None) -> Document | None:
    if run is None:
        return None
    return {"outcome": str(run.outcome), "at": instant(run.finished_at), "backend": run.backend, "run": run.run}


def _head(scenario: Scenario) -> Document:
    return {
        "number": scenario.number,
        "name": scenario.name,
        "title": scenario.title,
        "level": str(scenario.level),
        "minutes": scenario.minutes,
        "backends": list(scenario.backends),
        "path": str(scenario.path),
    }


def catalogue_lines(found: Sequence[Document], width: int | None) -> list[str]:
    """A table; the title is last, because it is what may be folded."""
    rows = [
        (
            f"{each['number']:02}" if each["number"] is not None else "",
            each["name"],
            each["level"],
            f"{each['minutes']:g}",
            ",".join(each["backends"]),
            _last_in_words(each["last"]),
            printable(each["title"]),
        )
        for each in found
    ]
    if not rows:
        return ["there is no scenario"]
    headings = ("NR", "NAME", "LEVEL", "MIN", "BACKENDS", "LAST RUN", "TITLE")
    return aligned(headings, rows, frozenset({"MIN"}), within=width)


def _last_in_words(last: Document | None) -> str:
    return _NEVER if last is None else f"{last['outcome']} {last['at'][:10]}"


def scenario_document(scenario: Scenario) -> Document:
    """One of them, whole."""
    return {
        **_head(scenario),
        "summary": scenario.summary,
        "teaches": scenario.teaches,
        "mysql": scenario.mysql,
        "figures": list(scenario.figures),
        "lab": {"shape": shape_of(scenario.lab.nodes), "synchronous": scenario.lab.synchronous,
                "archive": scenario.lab.archive, "settings": dict(scenario.lab.settings)},
        "steps": [
            {"name": each.name, "verb": each.verb.word, "will": each.verb.will, "explain": each.explain,
             "stage": each.stage or None}
            for each in scenario.steps
        ],
        "expectations": [sentence(each) for each in scenario.expectations],
    }  # fmt: skip


def scenario_lines(scenario: Scenario, width: int, mysql: bool = False) -> list[str]:
    """What a learner reads before it runs."""
    return [printable(line) for line in _lines(scenario, max(40, width), mysql)]


def _lines(scenario: Scenario, width: int, mysql: bool) -> Iterator[str]:
    yield f"{scenario.label}: {scenario.title}"
    yield f"{scenario.level}, about {scenario.minutes:g} min, on {' and '.join(scenario.backends)}"
    for title, text in (("", scenario.summary), ("You learn: ", scenario.teaches)):
        if text:
            yield ""
            yield from textwrap.wrap(title + text, width)
    if mysql:
        yield ""
        yield from textwrap.wrap(f"In MySQL: {scenario.mysql or 'nothing is noted here'}", width)
    yield ""
    yield f"Lab: {shape_of(scenario.lab.nodes)}" + (
        f", synchronous {scenario.lab.synchronous}" if scenario.lab.synchronous else ""
    )
    yield ""
    for number, step in enumerate(scenario.steps, start=1):
        yield from _folded(f"{number:2}. {step.name}: {step.verb.will}", width, 4)
        yield from (f"    {line}" for line in textwrap.wrap(step.explain, width - 4))
    if scenario.expectations:
        yield ""
        yield "Expected:"
        for expect in scenario.expectations:
            yield from _folded(f"  {sentence(expect)}", width, 4)


def _folded(line: str, width: int, indent: int) -> list[str]:
    return textwrap.wrap(line, width, subsequent_indent=" " * indent, replace_whitespace=True)


def results_lines(results: Sequence[tuple[str, str, float, str]], width: int | None) -> list[str]:
    """The table after several runs: label, outcome, seconds, reason."""
    rows = [(label, outcome, f"{seconds:.0f}", printable(reason)) for label, outcome, seconds, reason in results]
    return aligned(("SCENARIO", "OUTCOME", "SECONDS", "WHY"), rows, frozenset({"SECONDS"}), within=width)
