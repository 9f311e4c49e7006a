"""Where the calculators get measured figures from: a primary that is watched for a while, or the report of a run.

Owns: those looks. Must not: calculate with what they found (``drill.sizing``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.errors import CannotConnect, PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.cluster.connecting.connect import Target
    from pgreplterm.cluster.model import Node
    from pgreplterm.drill.report.model import Report

_INTERVAL = 0.25
_MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Observed:
    """What one primary did for a while: WAL a second, and its max_slot_wal_keep_size in bytes. None is not known."""

    node: str
    rate: float | None
    limit: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Reported:
    """What a report has: WAL of a row, and WAL a second while it was measured; None is not in it."""

    name: str
    bytes_per_row: float | None
    rate: float | None


def observe(targets: Sequence[Target], seconds: float) -> Observed:
    """Watch the one primary among them. Raises PgReplTermError."""
    first, last = asyncio.run(_watch(targets, seconds))
    one, other = first.sample, last.sample
    assert one is not None and other is not None
    setting = other.activity.setting("max_slot_wal_keep_size")
    passed = other.taken_at - one.taken_at
    known = one.position is not None and other.position is not None and passed > 0
    return Observed(
        node=last.name,
        rate=max(0, (other.position or 0) - (one.position or 0)) / passed if known else None,
        limit=None if setting is None else int(setting) * _MB if int(setting) >= 0 else -1,
        seconds=passed,
    )


def free_of_lab(name: str, node: str) -> int | None:
    """Bytes free where that node of a lab has its data; None where this program cannot see the disk."""
    import shutil

    from pgreplterm.lab.lab import Lab

    lab = Lab.load(name)
    if lab.state.docker is not None:
        return None
    try:
        return shutil.disk_usage(lab.state.node(node).data_directory).free
    except OSError:
        return None


def reported(name: str) -> Reported:
    """The figures of a run, by its name, its folder, or the path of its report.json. Raises PgReplTermError."""
    from pgreplterm.cli.drill_runs import find_run
    from pgreplterm.drill.report.store import load

    path = Path(name)
    report = load(path if path.is_file() else find_run(name, None, None).report)
    return Reported(report.name, _figure(report, "bytes/row"), _figure(report, "bytes/s", "wal"))


def _figure(report: Report, unit: str, word: str = "") -> float | None:
    """The first known figure of that unit whose key has that word."""
    for figure in report.figures:
        value = figure.value
        if (
            figure.unit == unit
            and word in figure.key
            and isinstance(value, int | float)
            and not isinstance(value, bool)
        ):
            return float(value)
    return None


async def _watch(targets: Sequence[Target], seconds: float) -> tuple[Node, Node]:
    from pgreplterm.cluster.sampling.sampler import Sampler

    loop = asyncio.get_running_loop()
    async with Sampler(targets, min(_INTERVAL, seconds)) as sampler:
        first = _primary((await sampler.sample_once()).nodes)
        end = loop.time() + seconds
        async for snapshot in sampler.snapshots():
            last = _primary(snapshot.nodes)
            if last.name != first.name:
                raise PgReplTermError(f"the primary changed from {first.name} to {last.name} while it was watched.")
            if loop.time() >= end:
                return first, last
    raise AssertionError("the sampler ended by itself")


def _primary(nodes: Sequence[Node]) -> Node:
    """The one that answered and writes WAL. Raises PgReplTermError."""
    from pgreplterm.cluster.words import printable

    found = [node for node in nodes if node.sample is not None and not node.failure and not node.sample.in_recovery]
    if len(found) == 1:
        return found[0]
    if found:
        names = printable(", ".join(node.name for node in found))
        raise PgReplTermError(f"expected one primary, found {len(found)}: {names}. Name one of them.")
    failed = next((node.failure for node in nodes if node.failure is not None), None)
    if failed is not None:
        raise CannotConnect(f"expected a primary that answers; {printable(failed.reason)}")
    raise PgReplTermError("expected a primary, found only standbys. Name the primary's DSN.")
