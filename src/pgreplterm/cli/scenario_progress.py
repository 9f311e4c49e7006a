"""``pgreplterm scenario progress`` and ``scenario note``: how far you are in the course, and your own words on it.

Owns: their arguments. Must not: conclude anything from the log (``drill.learner``).
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pgreplterm.errors import PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.drill.learner.log import Log


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Write it as Markdown into FILE; - is stdout.",
)
def progress(as_json: bool, markdown: Path | None) -> None:
    """What you have done of the course, level by level, with what was measured, and your notes.

    Once all ten have passed, the closing page follows. The log is progress.jsonl in the state folder.
    """
    from pgreplterm.cli.tables import terminal_width
    from pgreplterm.drill.learner import log, pages
    from pgreplterm.drill.learner.summary import progress as progress_of

    read = log.read()
    _tell_damage(read)
    found = progress_of(read.entries)
    if markdown is not None:
        _write(markdown, pages.as_markdown(found))
    elif as_json:
        click.echo(json.dumps(pages.as_document(found), indent=2))
    else:
        click.echo(pages.as_text(found, terminal_width() or 80))


@click.command()
@click.argument("name")
@click.argument("text")
def note(name: str, text: str) -> None:
    """Keep your own words on a scenario: NAME is its name, or its number in the course."""
    from pgreplterm.drill.learner import log
    from pgreplterm.drill.learner.model import Note

    if not text.strip():
        raise PgReplTermError("expected the text of the note, found none.")
    found, number = _scenario(name, log.read())
    log.append(Note(found, text.strip(), time.time(), number))
    click.echo(f"noted on {found if number is None else f'{number:02} {found}'.strip()}", err=True)


def _scenario(name: str, read: Log) -> tuple[str, int | None]:
    """The name and number of the scenario that is meant."""
    from difflib import get_close_matches

    from pgreplterm.cluster.words import printable
    from pgreplterm.drill.learner.model import COURSE

    known = {each.name: each.number for each in read.entries} | _listed()
    if name.isascii() and name.isdigit():
        number = int(name)
        called = next((each for each, its in known.items() if its == number), "")
        if called or 1 <= number <= len(COURSE):
            return called, number
    if name in known:
        return name, known[name]
    meant = get_close_matches(name, known, n=1)
    hint = f"did you mean {meant[0]!r}?" if meant else "'pgreplterm scenario ls' lists them."
    raise PgReplTermError(
        f"expected the name of a scenario, or a number from 1 to {len(COURSE)}, found {printable(repr(name))}; {hint}"
    )


def _listed() -> dict[str, int | None]:
    """The scenarios there are: name and number."""
    from pgreplterm.drill.scenario import catalogue

    return {each.name: each.number for each in catalogue.scenarios()}


def _write(place: Path, page: str) -> None:
    if str(place) == "-":
        click.echo(page, nl=False)
        return
    try:
        place.write_text(page, encoding="utf-8")
    except OSError as error:
        raise PgReplTermError(
            f"{place}: expected to write the progress here; {error.strerror}. Name another file with --markdown."
        ) from error
    click.echo(f"wrote {place}", err=True)


def _tell_damage(read: Log) -> None:
    from pgreplterm.cluster.words import printable

    for number in read.damaged:
        click.echo(f"pgreplterm: line {number} of {printable(str(read.path))} is damaged, and is left out.", err=True)
