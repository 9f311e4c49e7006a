"""``pgreplterm scenario run`` and ``scenario report``.

Owns: their arguments, the order of several runs, and the table at the end. Must not: run a step; an engine does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.errors import ExitCode, PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.cli.drill_follow import Ending
    from pgreplterm.drill.runs import Run
    from pgreplterm.drill.scenario.model import Scenario

LAB = "scenario"


@dataclass(frozen=True, slots=True)
class _Done:
    """One scenario that was run here."""

    scenario: Scenario
    run: Run | None
    ending: Ending | None
    seconds: float
    error: str = ""

    @property
    def outcome(self) -> str:
        """A word of ``report.model.Outcome``, or why there is none."""
        report = self.ending.report if self.ending is not None else None
        if report is not None:
            return str(report["outcome"])
        return "not run" if self.error else "failed"

    @property
    def reason(self) -> str:
        """Why it did not pass."""
        if self.error or self.ending is None or self.ending.word is None:
            return self.error
        return str((self.ending.report or self.ending.word).get("reason" if self.ending.report else "detail", ""))


@click.command()
@click.argument("names", metavar="[NAME ...]", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of ours, one after another.")
@click.option("--backend", type=click.Choice(["local", "docker"]), default="local", show_default=True)
@click.option("--step", "stepwise", is_flag=True, help="Explain each step and wait for Enter before it.")
@click.option("--keep", is_flag=True, help="Leave the lab up afterwards.")
@click.option("--lab", "lab_name", default=LAB, show_default=True, help="The name of the lab that is made for it.")
@click.option("--pg-bin", type=click.Path(path_type=Path), help="The bin directory of the PostgreSQL to run.")
@click.option("--report-dir", type=click.Path(path_type=Path), help="Where the runs' folders go, with their reports.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on stdout; a list of them for several.")
def run(
    names: Sequence[str],
    everything: bool,
    backend: str,
    stepwise: bool,
    keep: bool,
    lab_name: str,
    pg_bin: Path | None,
    report_dir: Path | None,
    as_json: bool,
) -> int:
    """Run scenarios, each on a lab that is made for it and taken down. NAME is a number, a name, or a path.

    Exit status 5 when one did not pass. Ctrl-C ends the run that is under way, and takes its lab down.
    """
    wanted = _wanted(names, everything)
    if keep and len(wanted) > 1:
        raise click.UsageError("--keep goes with one scenario: the next would need its lab's name")
    request = {"lab": lab_name, "backend": backend, "keep": keep, "stepwise": stepwise,
               "pg_bin": str(pg_bin.absolute()) if pg_bin else None}  # fmt: skip
    if len(wanted) == 1:
        return _run_one(wanted[0], request, report_dir, as_json)
    return _run_several(wanted, request, report_dir, as_json)


def _wanted(names: Sequence[str], everything: bool) -> list[Scenario]:
    from pgreplterm.drill.scenario import catalogue

    if bool(names) is everything:
        raise click.UsageError(
            "expected scenarios by number, name or path, or --all; 'pgreplterm scenario ls' lists them"
        )
    return list(catalogue.course()) if everything else [catalogue.find(name) for name in names]


def _run_one(scenario: Scenario, request: dict[str, Any], report_dir: Path | None, as_json: bool) -> int:
    from pgreplterm.cli.drill_follow import show_ending

    _introduce(scenario, request["stepwise"])
    run, ending = _follow(scenario, request, report_dir)
    return show_ending(run, ending, as_json)


def _run_several(wanted: list[Scenario], request: dict[str, Any], report_dir: Path | None, as_json: bool) -> int:
    from pgreplterm.cli.scenario_text import results_lines
    from pgreplterm.cli.tables import terminal_width

    done: list[_Done] = []
    for scenario in wanted:
        if request["backend"] not in scenario.backends:
            click.echo(f"{scenario.label}: it does not run on {request['backend']}; left out", err=True)
            continue
        _introduce(scenario, request["stepwise"])
        began = time.monotonic()
        try:
            run, ending = _follow(scenario, request, report_dir)
        except PgReplTermError as error:
            done.append(_Done(scenario, None, None, time.monotonic() - began, str(error)))
        else:
            done.append(_Done(scenario, run, ending, time.monotonic() - began))
        last = done[-1]
        click.echo(f"{scenario.label}: {last.outcome} after {last.seconds:.0f} s", err=True)
        if last.ending is not None and (last.ending.aborted or last.ending.word is None):
            break
    if as_json:
        click.echo(json.dumps([each.ending.report for each in done if each.ending is not None], indent=2))
    else:
        rows = [(each.scenario.label, each.outcome, each.seconds, each.reason) for each in done]
        click.echo("\n".join(results_lines(rows, terminal_width())))
    return _code(done)


def _code(done: Sequence[_Done]) -> int:
    codes = [each.ending.code if each.ending is not None else ExitCode.DRILL_FAILED for each in done]
    if ExitCode.INTERRUPTED in codes:
        return ExitCode.INTERRUPTED
    return ExitCode.DRILL_FAILED if any(codes) else ExitCode.OK


def _follow(scenario: Scenario, request: dict[str, Any], report_dir: Path | None) -> tuple[Run, Ending]:
    """Have an engine run it, and follow that."""
    from pgreplterm.cli.drill_follow import Attachment
    from pgreplterm.drill.engine.start import start
    from pgreplterm.drill.request import Kind, Request

    run = start(Request(Kind.SCENARIO, str(scenario.path.resolve()), **request), report_dir)
    return run, Attachment(run, aborts=True).follow()


def _introduce(scenario: Scenario, stepwise: bool) -> None:
    from pgreplterm.cli.scenario_text import scenario_lines
    from pgreplterm.cli.tables import terminal_width

    lines = scenario_lines(scenario, terminal_width() or 80)
    click.echo("\n".join(lines if stepwise else lines[:1]), err=True)


@click.command()
@click.argument("name", metavar="NAME|RUN")
@click.option("--report-dir", "base", type=click.Path(path_type=Path), help="Where runs are kept.")
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown", "html"]), default="text")
@click.option("--compare", "last", type=click.IntRange(min=0), default=0, help="With the last so many runs like it.")
def report(name: str, base: Path | None, form: str, last: int) -> None:
    """What the last run of a scenario measured, or the run of that name."""
    from pgreplterm.cli import drill_runs

    run = _last_run(name, base)
    context = click.get_current_context()
    context.invoke(drill_runs.report, name=str(run.folder), lab=None, base=base, form=form, last=last)


def _last_run(name: str, base: Path | None) -> Run:
    from pgreplterm.cli.drill_runs import find_run
    from pgreplterm.drill.engine.standing import last_word
    from pgreplterm.drill.runs import default_base, runs
    from pgreplterm.drill.scenario import catalogue

    try:
        wanted = catalogue.find(name)
    except PgReplTermError as no_scenario:
        try:
            return find_run(name, None, base)
        except PgReplTermError:
            raise no_scenario from None
    for run in runs(base or default_base()):
        if _is_of(run, wanted) and (run.report.exists() or "report" in (last_word(run) or {})):
            return run
    raise PgReplTermError(
        f"there is no report of {wanted.name} yet: 'pgreplterm scenario run {wanted.name}' makes one."
    )


def _is_of(run: Run, scenario: Scenario) -> bool:
    try:
        request = json.loads(run.request.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(request.get("kind") == "scenario" and Path(str(request.get("name"))) == scenario.path.resolve())
