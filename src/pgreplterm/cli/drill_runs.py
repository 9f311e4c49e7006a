"""Which run a command means; ``drill runs`` and ``drill report``.

Owns: finding a run by name, by lab, or because it is the only one. Must not: know what stands in a report.
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pgreplterm.errors import PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.drill.report.compare import Comparison
    from pgreplterm.drill.report.model import Report
    from pgreplterm.drill.runs import Run

kept_in = click.option(
    "--report-dir", "base", type=click.Path(path_type=Path), help="Where runs are kept, if not in the usual place."
)
_LISTED = 50


def find_run(name: str | None, lab: str | None, base: Path | None, alive: bool = False) -> Run:
    """The run of that name or path; else the last on that lab; else the one that runs, or ran last.

    With alive it must be running. Raises PgReplTermError.
    """
    from pgreplterm.drill.engine.standing import Standing, standing_of

    run = _named(name, base) if name is not None else _of_lab(lab) if lab is not None else _only(base, alive)
    if alive and standing_of(run) is not Standing.RUNNING:
        raise PgReplTermError(f"the run {run.name} does not run: it is {standing_of(run)}.")
    return run


def _named(name: str, base: Path | None) -> Run:
    from pgreplterm.drill.runs import Run, default_base, runs

    for folder in (Path(name), (base or default_base()) / name):
        if (folder / "request.json").exists():
            return Run(folder.absolute())
    known = [run.name for run in runs(base or default_base())]
    meant = get_close_matches(name, known, n=1) or [each for each in known if name in each][:1]
    hint = f"did you mean {meant[0]}?" if meant else "'pgreplterm drill runs' lists them."
    raise PgReplTermError(f"expected a run, found {name!r}; {hint}")


def _of_lab(name: str) -> Run:
    from pgreplterm.drill.engine.lock import latest
    from pgreplterm.lab.lab import Lab

    run = latest(Lab.load(name))
    if run is None:
        raise PgReplTermError(f"there was no drill on lab {name!r} yet.")
    return run


def _only(base: Path | None, alive: bool) -> Run:
    from pgreplterm.drill.engine import identity
    from pgreplterm.drill.engine.standing import Standing, standing_of
    from pgreplterm.drill.runs import default_base, runs

    known = tuple(runs(base or default_base()))
    running = [run for run in known if identity.is_alive(run) and standing_of(run) is Standing.RUNNING]
    if len(running) > 1:
        names = ", ".join(run.name for run in running)
        raise PgReplTermError(f"expected the name of a run, or --lab: {names} are running.")
    if running:
        return running[0]
    if alive or not known:
        raise PgReplTermError("no drill is running." if known else "there was no run yet.")
    return known[0]


@click.command("runs")
@kept_in
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def list_runs(base: Path | None, as_json: bool) -> None:
    """The runs there were, newest first, and what became of each."""
    from pgreplterm.cli.drill_text import run_document, run_lines
    from pgreplterm.cli.tables import terminal_width
    from pgreplterm.drill.runs import default_base, runs

    found = [run_document(run) for run in islice(runs(base or default_base()), None if as_json else _LISTED)]
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(run_lines(found, terminal_width())))


@click.command()
@click.argument("name", metavar="[RUN]", required=False)
@click.option("--lab", help="The last run on this lab.")
@kept_in
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown", "html"]), default="text")
@click.option("--compare", "last", type=click.IntRange(min=0), default=0, help="With the last so many runs like it.")
def report(name: str | None, lab: str | None, base: Path | None, form: str, last: int) -> None:
    """What a run measured: the last one, unless RUN or --lab says otherwise."""
    from pgreplterm.drill.report.store import compared

    run = find_run(name, lab, base) if name or lab else _reported(base)
    found = _report(run)
    click.echo(_formed(found, compared(found, run.folder.parent, last) if last else None, form))


def _report(run: Run) -> Report:
    """From its file; from the journal, when that could not be written, or is not there yet."""
    from pgreplterm.drill.engine.standing import last_word, standing_of
    from pgreplterm.drill.report.document import from_document
    from pgreplterm.drill.report.store import load

    if run.report.exists():
        return load(run.report)
    word = last_word(run) or {}
    if "report" not in word:
        raise PgReplTermError(f"the run {run.name} has no report: it is {standing_of(run)}.")
    return from_document(word["report"], str(run.journal))


def _reported(base: Path | None) -> Run:
    from pgreplterm.drill.engine.standing import last_word
    from pgreplterm.drill.runs import default_base, runs

    for run in runs(base or default_base()):
        if run.report.exists() or "report" in (last_word(run) or {}):
            return run
    raise PgReplTermError("there is no report yet: 'pgreplterm drill run' makes one.")


def _formed(found: Report, compared: Comparison | None, form: str) -> str:
    if form == "json":
        from pgreplterm.drill.report.document import as_document

        return json.dumps(as_document(found), indent=2)
    if form == "markdown":
        from pgreplterm.drill.report.markdown import as_markdown

        return as_markdown(found, compared).rstrip("\n")
    if form == "html":
        from pgreplterm.drill.report.html import as_html

        return as_html(found, compared).rstrip("\n")
    from pgreplterm.cli.tables import terminal_width
    from pgreplterm.drill.report.text import as_text

    return as_text(found, terminal_width() or 80, compared)
