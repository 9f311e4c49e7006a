"""``pgreplterm drill plan|run KIND DSN ...``: drills on clusters that are not ours.

Owns: the typed name, what is printed for the person who runs the commands, and what they type back.
Must not: know the steps.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.errors import ExitCode, PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.drill.foreign.conduct import Planned


class Terminal:
    """The person at this terminal: narration on stderr, answers from stdin."""

    def show(self, line: str) -> None:
        """One line."""
        click.echo(line, err=True)

    def ask(self, question: str) -> str:
        """What they type."""
        return str(click.prompt(question, err=True))


def plan_foreign(kind: str, dsns: Sequence[str], settings: Sequence[str], as_json: bool) -> int | None:
    """Print the preflight and the steps with their commands; do nothing."""
    from pgreplterm.drill.foreign.conduct import prepare

    planned = prepare(kind, dsns, arguments_of(settings))
    click.echo(json.dumps(plan_document(planned), indent=2) if as_json else "\n".join(plan_lines(planned)))
    return None if planned.allowed else ExitCode.FINDING


def run_foreign(kind: str, dsns: Sequence[str], settings: Sequence[str], drills: bool, typed: str | None) -> None:
    """Run it, with what SQL cannot reach printed and waited for. Raises PgReplTermError."""
    from pgreplterm.cluster.words import printable
    from pgreplterm.drill.check import Verdict
    from pgreplterm.drill.foreign.conduct import prepare, run
    from pgreplterm.drill.foreign.consent import consent
    from pgreplterm.drill.places import state_folder

    planned = prepare(kind, dsns, arguments_of(settings))
    cluster = planned.scene.cluster
    for check in planned.preflight:
        if check.verdict is not Verdict.OK:
            click.echo(f"{check.verdict}: {check.name}: {check.evidence}", err=True)
    if drills and typed is None and planned.allowed:
        click.echo(f"{kind} on a cluster that is not ours; it changes servers.", err=True)
        typed = click.prompt(f"Type its name, {cluster}, to run it", err=True)
    given = consent(drills, cluster, typed or "")
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    journal = state_folder() / "foreign" / f"{stamp}-{kind}.jsonl"
    run(planned, given, Terminal(), journal)
    click.echo(f"{kind} on {printable(cluster)} is done; its journal is {journal}.")


def arguments_of(settings: Sequence[str]) -> dict[str, str]:
    """The options given as NAME=VALUE. Raises PgReplTermError for one no drill has."""
    from pgreplterm.drill.foreign.drills import OPTIONS

    found: dict[str, str] = {}
    for word in settings:
        name, sign, value = word.partition("=")
        if not sign or name not in OPTIONS:
            raise PgReplTermError(f"expected --set NAME=VALUE with one of {', '.join(OPTIONS)}, found {word!r}.")
        found[name] = value
    return found


def plan_document(planned: Planned) -> dict[str, Any]:
    """The same as one document; the keys are those of a plan for a lab where it has them."""
    return {
        "kind": planned.kind,
        "cluster": planned.scene.cluster,
        "allowed": planned.allowed,
        "preflight": [
            {"name": each.name, "verdict": each.verdict.value, "evidence": each.evidence, "remedy": each.remedy}
            for each in planned.preflight
        ],
        "steps": [
            {
                "name": step.name,
                "will": step.will,
                "why": step.why,
                "commands": [{"node": each.node, "line": each.line} for each in step.commands],
            }
            for step in planned.plan.steps
        ],
    }


def plan_lines(planned: Planned) -> list[str]:
    """The preflight, then every step with the commands that are for a person."""
    from pgreplterm.drill.foreign.conduct import shown

    lines = [f"{planned.kind} on {planned.scene.cluster}, which is no lab of this program"]
    for check in planned.preflight:
        lines.append(f"  {check.verdict:8} {check.name}: {check.evidence}")
        if check.remedy and not check.allows:
            lines.append(f"           {check.remedy}")
    for number, step in enumerate(planned.plan.steps, start=1):
        lines.append(f"  {number}. {step.name}: {step.will}")
        lines += [f"   {shown(command)}" for command in step.commands]
    allowed = f"It may run: drill run {planned.kind} DSN ... --drills --yes {planned.scene.cluster}"
    lines.append(allowed if planned.allowed else "It is refused as things are.")
    return lines
