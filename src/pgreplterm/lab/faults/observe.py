"""Waiting for a fault to show in what an ordinary sampler sees.

Owns: that wait. Must not: use anything the injector knows besides the undo, which the fault compares with.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgreplterm.cluster.connecting.connect import Target, named_target
from pgreplterm.cluster.sampling.sampler import Sampler
from pgreplterm.lab.faults.registry import find

if TYPE_CHECKING:
    from pgreplterm.lab.faults.record import Record
    from pgreplterm.lab.lab import Lab


INTERVAL = 0.1
"""Seconds between two looks."""


@dataclass(frozen=True, slots=True)
class Sight:
    """The evidence of a fault, and how many seconds after its injection it was there."""

    evidence: str
    seconds: float


def targets(lab: Lab) -> list[Target]:
    """Every node of the lab, for a sampler."""
    return [named_target(node.name, lab.dsn(node.name)) for node in lab.nodes]


def observe(lab: Lab, record: Record, within: float) -> Sight | None:
    """Sample the lab until the fault shows; None when it does not within so many seconds."""
    return asyncio.run(_observe(lab, record, within))


async def _observe(lab: Lab, record: Record, within: float) -> Sight | None:
    fault = find(record.fault)
    deadline = time.monotonic() + within
    async with Sampler(targets(lab), INTERVAL) as sampler:
        async for snapshot in sampler.snapshots():
            evidence = fault.observed(snapshot, record.order, record.undo)
            if evidence is not None:
                return Sight(evidence, time.time() - record.injected_at)
            if time.monotonic() > deadline:
                break
    return None
