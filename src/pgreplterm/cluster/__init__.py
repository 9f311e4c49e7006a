"""What a cluster is doing: connections, one round trip per node and tick, and one frozen snapshot of it all.

    async with Sampler(targets(["host=pg1,pg2 user=monitor"])) as sampler:
        async for snapshot in sampler.snapshots():
            print(snapshot.primaries)

Owns: reading servers and joining what both ends of each link say. Must not: write to a server, draw, or import
psycopg before something connects: the names below load their module when first used. (``join`` and ``verdict``
live in modules of the same names and are imported from there.)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgreplterm.cluster.connecting.connect import Target, named_target, scrub, targets
    from pgreplterm.cluster.forks.lineage import Relation, compare
    from pgreplterm.cluster.history import LagHistory
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.cluster.sampling.sampler import Sampler
    from pgreplterm.cluster.serialize import snapshot_document
    from pgreplterm.cluster.verdict import Severity, Verdict

_HOMES = {
    "ClusterSnapshot": "model",
    "LagHistory": "history",
    "Relation": "forks.lineage",
    "Sampler": "sampling.sampler",
    "Severity": "verdict",
    "Target": "connecting.connect",
    "Verdict": "verdict",
    "compare": "forks.lineage",
    "named_target": "connecting.connect",
    "scrub": "connecting.connect",
    "snapshot_document": "serialize",
    "targets": "connecting.connect",
}

__all__ = [
    "ClusterSnapshot",
    "LagHistory",
    "Relation",
    "Sampler",
    "Severity",
    "Target",
    "Verdict",
    "compare",
    "named_target",
    "scrub",
    "snapshot_document",
    "targets",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
