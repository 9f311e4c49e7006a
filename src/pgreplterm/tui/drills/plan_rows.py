"""The plan page as rows: what is, what will be done, what may be lost, how it is taken back, what was checked.

Owns: the wording and layout. Must not: import Textual, or start anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgreplterm.cluster import words
from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.drill.check import Check, Verdict
from pgreplterm.tui.drills.chooser_rows import last_in_words
from pgreplterm.tui.drills.entries import Entry
from pgreplterm.tui.drills.past import PastRun
from pgreplterm.tui.drills.planning import Plan
from pgreplterm.tui.ink import BLANK, Ink, Row, Span, cell, row, wrap

LABEL = 9
VERDICTS = {
    Verdict.OK: ("ok", Ink.HEALTHY),
    Verdict.WARNING: ("warn", Ink.WARNING),
    Verdict.REFUSAL: ("NO", Ink.CRITICAL),
}
ORDER = (Verdict.REFUSAL, Verdict.WARNING, Verdict.OK)


def drill_rows(
    entry: Entry, lab: str, plan: Plan | None, snapshot: ClusterSnapshot | None, last: PastRun | None, width: int
) -> list[Row]:
    """All of a drill's page. plan None: it is being made."""
    rows = [row((f" DRILL  {entry.label}", Ink.BOLD), f" on lab {lab}"), *wrap(entry.effect, width - 1, indent=" ")]
    rows += now_rows(snapshot) if snapshot is not None else []
    if plan is None:
        return [*rows, row(_label("Pre"), ("looking at the cluster ...", Ink.DIM))]
    if plan.trouble:
        rows += _said("No plan", plan.trouble, width, Ink.CRITICAL)
    rows += will_rows(plan.steps, width)
    rows += _said("Risk", f"{plan.risk} {_sentence(entry.radius)}".strip(), width)
    rows += _said("Undo", f"{_sentence(entry.reversibility)} X at any time aborts and takes back what can be.", width)
    rows += _said("Takes", f"about {entry.duration}; last: {last_in_words(last)}", width)
    rows += option_rows(entry, plan, width)
    return rows + check_rows(plan, width)


def scenario_rows(entry: Entry, lab: str, last: PastRun | None, width: int, *, mysql: bool, explain: bool) -> list[Row]:
    """All of a scenario's page."""
    rows = [row((f" SCENARIO  {entry.label}: {entry.effect}", Ink.BOLD)), BLANK]
    rows += _said("Shows", entry.summary, width) + _said("Teaches", entry.teaches, width)
    rows += _said("Level", f"{entry.level}, about {entry.duration}, {' or '.join(entry.backends)}", width)
    rows += _said("Lab", f"{lab}, made for it and removed afterwards; no other cluster is touched", width)
    rows += _said("Undo", "X at any time aborts; the lab is removed", width)
    rows += _said("Last", last_in_words(last), width)
    if entry.mysql:
        rows += _said("MySQL", entry.mysql if mysql else "m shows what it is in MySQL", width)
    if not explain:
        return rows + will_rows([(name, "") for name, _ in entry.steps], width)
    rows.append(BLANK)
    for number, (name, why) in enumerate(entry.steps, start=1):
        rows.append(row((f" {number:>2} {name}", Ink.BOLD)))
        rows += wrap(why, width - 1, indent="    ") if why else []
    return rows


def now_rows(snapshot: ClusterSnapshot) -> list[Row]:
    """Every node as it is, one a row: role, timeline, position, distance behind."""
    rows: list[Row] = []
    for node in snapshot.nodes:
        position = node.sample.position if node.sample else None
        where = "?" if position is None else str(position)
        link = snapshot.link_to(node.name)
        timeline = node.timeline if node.timeline is not None else "?"
        facts = f"{cell(node.name, 11)} {node.role:<8} {node.state:<14}{f'TL {timeline}':<6}"
        facts += f"{where:<18}"
        behind = f" {words.size(link.gaps.flush)} behind" if link is not None else ""
        rows.append(row(_label("" if rows else "Now"), facts, behind))
    return rows


def will_rows(steps: Sequence[tuple[str, str]], width: int) -> list[Row]:
    """Two steps a row where they fit, so that a plan of a small cluster is seen without scrolling."""
    numbered = [f"{number:>2} {step}" for number, (step, _) in enumerate(steps, start=1)]
    half = (width - LABEL) // 2
    if any(len(text) >= half for text in numbered):
        lines = [line for text in numbered for line in wrap(text, width - LABEL)]
        return [row(_label("" if place else "Will"), *line) for place, line in enumerate(lines)]
    return [
        row(_label("" if place else "Will"), cell(numbered[place], half), "".join(numbered[place + 1 : place + 2]))
        for place in range(0, len(numbered), 2)
    ]


def option_rows(entry: Entry, plan: Plan, width: int) -> list[Row]:
    """What can be chosen, with what is chosen now."""
    rows: list[Row] = []
    for name, option in entry.options.items():
        value = plan.arguments.get(name, option.default) or ("to be set" if option.required else "chosen by the drill")
        ink = Ink.BOLD if name in plan.arguments else Ink.PLAIN
        for number, line in enumerate(wrap(option.meaning, max(width - LABEL - 34, 20), Ink.DIM)):
            head = (f"{cell(f'{name} = {value}', 32)} ", ink) if not number else (" " * 33, ink)
            rows.append(row(_label("" if rows else "Set (o)"), head, *line))
    return rows


def check_rows(plan: Plan, width: int) -> list[Row]:
    """The whole preflight: what forbids first, then what warns, then what is fine; how to help where something does."""
    if not plan.checks:
        return []
    rows = [row(_label("Pre"), (counted(plan), Ink.BOLD))]
    for verdict in ORDER:
        for check in plan.checks:
            if check.verdict is verdict:
                rows += _check(check, width)
    return rows


def counted(plan: Plan) -> str:
    """How many checks say what."""
    counts = {verdict: sum(check.verdict is verdict for check in plan.checks) for verdict in Verdict}
    return f"{counts[Verdict.OK]} ok, {counts[Verdict.WARNING]} warnings, {counts[Verdict.REFUSAL]} refusals"


def _check(check: Check, width: int) -> list[Row]:
    word, ink = VERDICTS[check.verdict]
    lines = wrap(f"{check.name}: {check.evidence}", width - LABEL - 6)
    rows = [row(_label(""), (f"{'' if number else word:<5}", ink), *line) for number, line in enumerate(lines)]
    if check.remedy and check.verdict is not Verdict.OK:
        rows += [row(_label(""), "     ", *line) for line in wrap(check.remedy, width - LABEL - 6, Ink.KEY)]
    return rows


def _said(name: str, text: str, width: int, ink: Ink = Ink.PLAIN) -> list[Row]:
    if not text:
        return []
    lines = wrap(words.printable(text), width - LABEL - 1, ink)
    return [row(_label("" if number else name), *line) for number, line in enumerate(lines)]


def _sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:].rstrip('.')}." if clause else ""


def _label(text: str) -> Span:
    return f" {text:<{LABEL - 1}}", Ink.DIM
