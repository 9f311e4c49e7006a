"""The lab of a run that is not the watched cluster: a scenario makes its own.

Owns: waiting for it to be there, and sampling it slowly while somebody looks.
Must not: write to it, or fail: a lab that comes and goes is what a scenario does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from pgreplterm.errors import PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.cluster.connecting.connect import Target
    from pgreplterm.cluster.model import ClusterSnapshot

INTERVAL = 1.0  # seconds between samples
LOOK_AGAIN = 3  # samples between two looks at which nodes there are


async def snapshots(name: str) -> AsyncIterator[ClusterSnapshot]:
    """Of the lab of that name, for ever; none while it is not there."""
    from pgreplterm.cluster.sampling.sampler import Sampler

    while True:
        targets = await asyncio.to_thread(_targets, name)
        if targets:
            try:
                async with aclosing(Sampler(targets, INTERVAL).snapshots()) as samples:
                    number = 0
                    async for snapshot in samples:
                        yield snapshot
                        number += 1
                        if number % LOOK_AGAIN == 0 and await asyncio.to_thread(_targets, name) != targets:
                            break
            except PgReplTermError:
                pass  # the lab is going; the next look says whether it is gone
        await asyncio.sleep(INTERVAL)


def _targets(name: str) -> list[Target]:
    from pgreplterm.cluster.connecting.connect import named_target
    from pgreplterm.lab.lab import Lab

    try:
        lab = Lab.load(name)
        return [named_target(node.name, lab.dsn(node.name)) for node in lab.nodes]
    except PgReplTermError:
        return []
