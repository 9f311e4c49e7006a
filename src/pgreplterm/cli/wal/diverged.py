"""``pgreplterm wal diverged``: what an old primary wrote that nobody else has.

Owns: its options, its layout, and where --save puts things. Must not: sample, read WAL or judge itself.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pgreplterm.cli.wal.options import json_option
from pgreplterm.cli.wal.render import print_json
from pgreplterm.cli.wal.risk import sampled_once, transaction_lines, transactions_option
from pgreplterm.errors import ExitCode, PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.cluster.connecting.connect import Target
    from pgreplterm.cluster.decoded.diverged import Diverged, Old
    from pgreplterm.cluster.model import ClusterSnapshot, Node

_DSN = re.compile(r"postgres(ql)?://|\s*[a-z_]+\s*=")


@click.command()
@click.argument("old", metavar="OLD")
@click.option("--primary", "primary_dsn", metavar="DSN", required=True, help="The primary that took over.")
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Keep the list here as JSON, and the WAL past the fork in FILE.wal beside it.",
)
@transactions_option
@json_option
def diverged(old: str, primary_dsn: str, save: Path | None, transactions: bool, as_json: bool) -> int:
    """What an old primary wrote past the fork: commits, rows by table, bytes. Save it before any pg_rewind.

    OLD is its data directory or pg_wal while it is stopped, else its DSN.

    Exits 0 when it has no commit that the primary lacks, 1 when it has.
    """
    from pgreplterm.cluster.decoded.risk_words import diverged_document

    found, whose = _compare(old, primary_dsn)
    if save is not None:
        _save(found, whose, save)
    if as_json:
        print_json(diverged_document(found, time.time(), transactions))
    else:
        click.echo("\n".join(_lines(found, transactions)))
    return ExitCode.OK if found.lost.is_nothing else ExitCode.FINDING


def _compare(old: str, primary_dsn: str) -> tuple[Diverged, Old]:
    from pgreplterm.cluster.connecting.connect import targets
    from pgreplterm.cluster.decoded.diverged import diverged as compare
    from pgreplterm.cluster.decoded.diverged import old_at, old_server
    from pgreplterm.cluster.words import printable

    (theirs,) = _one(targets((primary_dsn,)), "--primary")
    is_server = _DSN.match(old) is not None and not Path(old).exists()
    (mine,) = _one(targets((old,)), "OLD") if is_server else (None,)
    snapshot, _ = sampled_once([theirs] if mine is None else [mine, theirs], discover=False)
    primary = _answering(snapshot, theirs)
    assert primary.sample is not None
    if primary.sample.in_recovery:
        raise PgReplTermError(f"--primary: expected a primary, found that {printable(primary.name)} is in recovery.")
    if mine is None:
        whose = old_at(old)
    else:
        node = _answering(snapshot, mine)
        assert node.sample is not None
        whose = old_server(mine, node.name, node.sample)
    return compare(whose, primary.name, primary.sample, theirs), whose


def _one(found: tuple[Target, ...], what: str) -> tuple[Target]:
    if len(found) != 1:
        hosts = ", ".join(target.address for target in found)
        raise click.UsageError(f"{what}: expected one server, found {len(found)}: {hosts}")
    return (found[0],)


def _answering(snapshot: ClusterSnapshot, target: Target) -> Node:
    from pgreplterm.errors import CannotConnect

    node = next((node for node in snapshot.nodes if node.address == target.address), None)
    if node is None or node.sample is None or node.failure is not None:
        said = node.failure.reason if node is not None and node.failure is not None else "it did not answer"
        raise CannotConnect(f"{target.address}: expected a server that answers; {said.rstrip('.')}.")
    return node


def _save(found: Diverged, old: Old, place: Path) -> None:
    """The list first, for it cannot be had again once the old primary is rewound; neither replaces anything."""
    from pgreplterm.cluster.decoded.diverged import save_tail
    from pgreplterm.cluster.decoded.risk_words import diverged_document

    try:
        with place.open("x", encoding="utf-8") as file:
            json.dump(diverged_document(found, time.time(), transactions=True), file, indent=2)
            file.write("\n")
    except OSError as error:
        raise PgReplTermError(
            f"{place}: expected to save the list here, in a file that is not there yet; {error.strerror}. "
            "Name another one with --save."
        ) from error
    folder = place.with_name(f"{place.name}.wal")
    if found.has_tail:
        copied = save_tail(found, old, folder)
        click.echo(f"saved {place}, and {len(copied)} files of WAL in {folder}", err=True)
    else:
        click.echo(f"saved {place}; there is no WAL past the fork", err=True)


def _lines(found: Diverged, transactions: bool) -> list[str]:
    from pgreplterm.cluster.decoded.risk_words import lost_lines, lost_phrase
    from pgreplterm.cluster.words import printable, size_in_words

    old, new = printable(found.old), printable(found.new)
    lines = [
        f"{old} (timeline {found.timeline}) and {new} (timeline {found.new_timeline}) part on timeline "
        f"{found.fork.timeline} at {found.fork.lsn}"
    ]
    if not found.has_tail:
        return [*lines, f"{old} ends there or before: it has nothing that {new} lacks"]
    lines.append(
        f"{old} has {lost_phrase(found.lost, found.tables)}, {size_in_words(found.lost.bytes)} of WAL, that {new} lacks"
    )
    lines += [f"  {line}" for line in lost_lines(found.lost, found.tables, time.time(), None)]
    if transactions:
        lines += [f"  {line}" for line in transaction_lines(found.lost.transactions, found.lost.omitted)]
    return lines
