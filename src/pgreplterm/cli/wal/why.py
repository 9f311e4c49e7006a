"""``pgreplterm wal why``: why a standby is behind, and what the WAL consists of that it has not replayed.

Owns: its options, the few looks it takes, and its layout. Must not: judge, or read WAL itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.cli.wal.options import json_option
from pgreplterm.cli.wal.render import print_json
from pgreplterm.cli.watching import discovers, server_options, watched
from pgreplterm.errors import CannotConnect, ExitCode

if TYPE_CHECKING:
    from pgreplterm.cluster.connecting.connect import Target
    from pgreplterm.cluster.decoded.behind import Behind
    from pgreplterm.cluster.model import ClusterSnapshot

_LOOK_EVERY = 0.2  # seconds
_SHOWN = 10


@click.command()
@server_options
@click.option("--standby", metavar="NODE", help="Only this one.")
@click.option(
    "--seconds", type=click.FloatRange(min=0.2), default=2.0, show_default=True, help="How long to look at it."
)
@json_option
def why(dsns: tuple[str, ...], lab_name: str | None, standby: str | None, seconds: float, as_json: bool) -> int:
    """Why a standby is behind: a pause, a conflict, a delay, I/O, WAL that has not arrived, or plain slowness. And what
    the WAL between its replay and its flush LSN consists of: relations, resource managers, full-page images.

    Exits 0 when all have replayed everything, 1 when one is behind, 3 or 4 when that cannot be known.
    """
    from pgreplterm.cluster.decoded.behind import behind_document, explained

    targets = watched(dsns, lab_name)
    snapshots, targets = asyncio.run(_look(targets, seconds))
    found = explained(snapshots, targets, standby)
    if as_json:
        print_json({"standbys": [behind_document(each) for each in found]})
    else:
        click.echo("\n\n".join("\n".join(_lines(each)) for each in found))
    return _exit_code(found)


async def _look(targets: Sequence[Target], seconds: float) -> tuple[list[ClusterSnapshot], Sequence[Target]]:
    from pgreplterm.cluster.sampling.sampler import Sampler

    snapshots: list[ClusterSnapshot] = []
    async with Sampler(targets, _LOOK_EVERY, discover=discovers()) as sampler:
        async for snapshot in sampler.snapshots():
            snapshots.append(snapshot)
            if snapshot.taken_at - snapshots[0].taken_at >= seconds:
                break
        targets = sampler.targets
    if not any(node.sample is not None for node in snapshots[-1].nodes):
        failures = [node.failure.reason for node in snapshots[-1].nodes if node.failure is not None]
        raise CannotConnect(f"no server answers: {'; '.join(failures) or 'none was named'}.")
    return snapshots, targets


def _exit_code(found: Sequence[Behind]) -> ExitCode:
    from pgreplterm.cluster.decoded.why import CauseKind

    kinds = {each.cause.kind for each in found}
    if not found or kinds == {CauseKind.UNKNOWN}:
        return ExitCode.CANNOT_CONNECT
    return ExitCode.OK if kinds == {CauseKind.NOTHING} else ExitCode.FINDING


def _lines(behind: Behind) -> list[str]:
    from pgreplterm.cluster.words import printable, size_in_words

    lines = [f"{printable(behind.standby)}: {behind.cause.sentence}"]
    if behind.start is not None and behind.end is not None and behind.end > behind.start:
        gap = size_in_words(behind.end - behind.start)
        lines.append(f"  flushed and not replayed: {behind.start} to {behind.end}, {gap}")
    if behind.unread is not None:
        lines.append(f"  what it consists of is unknown: {printable(behind.unread)}")
    if behind.composition is not None:
        lines += [f"  {line}" for line in _composition(behind)]
    return lines


def _composition(behind: Behind) -> list[str]:
    from pgreplterm.cluster.words import printable, size_in_words

    found = behind.composition
    assert found is not None
    whole = max(1, found.bytes)
    if not found.records:
        return ["no whole record lies between them"]
    part = f"; counted up to {found.read_to}" if found.read_to < found.end else ""
    lines = [
        f"{found.records} records, {size_in_words(found.bytes)}, {found.image_bytes * 100 // whole} % of it full-page "
        f"images{part}"
    ]
    lines += [
        f"{each.bytes * 100 / whole:5.1f} %  {size_in_words(each.bytes):>9}  {printable(title)}"
        for each, title in behind.relations[:_SHOWN]
    ]
    lines.append("by resource manager: " + ", ".join(_share(each, whole) for each in found.rmgrs[:_SHOWN]))
    return lines


def _share(each: Any, whole: int) -> str:
    return f"{each.rmgr_name} {each.bytes * 100 / whole:.1f} %"
