"""What a load is to do.

Owns: the plan as a value, its limits, and its form on a command line. Must not: do any of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from pgreplterm.lab.errors import LabError

MOST_CLIENTS = 50
"""Writers and readers of one node; its max_connections is 100."""

MOST_PER_SECOND = 100_000
MOST_BATCH = 1_000_000
EVERY_NODE = "*"
"""In readers: the nodes that are not named."""


class Kind(StrEnum):
    """Who writes."""

    SINGLE = "single"  # one row a transaction
    BATCH = "batch"  # many rows a transaction
    PGBENCH = "pgbench"  # PostgreSQL's own benchmark, its TPC-B-like script


DEFAULT_RATE: Mapping[Kind, float] = {Kind.SINGLE: 200.0, Kind.BATCH: 20_000.0, Kind.PGBENCH: 100.0}


@dataclass(frozen=True, slots=True)
class Plan:
    """A load. rate is in rows a second, with pgbench in transactions; seconds is None until it is stopped.

    readers tells how many per node, read_rate how often each of them reads in a second, and read_seconds how long
    each read keeps its snapshot.
    """

    kind: Kind = Kind.SINGLE
    rate: float = DEFAULT_RATE[Kind.SINGLE]
    clients: int = 1
    batch: int = 10_000
    seconds: float | None = None
    readers: Mapping[str, int] = field(default_factory=dict)
    read_rate: float = 10.0
    read_seconds: float = 0.0

    @property
    def rows_each(self) -> int:
        """Rows of one transaction; pgbench adds one to its history."""
        return self.batch if self.kind is Kind.BATCH else 1

    @property
    def transactions_per_second(self) -> float:
        """What is to be held."""
        return self.rate / self.rows_each

    def readers_of(self, node: str) -> int:
        """How many read on that node."""
        return self.readers.get(node, self.readers.get(EVERY_NODE, 0))

    def check(self, nodes: tuple[str, ...]) -> None:
        """Raises LabError saying which figure is out of range, or which node there is not."""
        unit = "transactions" if self.kind is Kind.PGBENCH else "rows"
        if not 0 < self.rate <= MOST_PER_SECOND:
            raise LabError(
                f"a load writes more than 0 and at most {MOST_PER_SECOND} {unit} a second: asked for {self.rate:g}"
            )
        if not 1 <= self.clients <= MOST_CLIENTS:
            raise LabError(f"a load has 1 to {MOST_CLIENTS} clients: asked for {self.clients}")
        if not 1 <= self.batch <= MOST_BATCH:
            raise LabError(f"a batch is 1 to {MOST_BATCH} rows: asked for {self.batch}")
        if self.seconds is not None and self.seconds <= 0:
            raise LabError(f"a load runs for more than 0 seconds: asked for {self.seconds:g}")
        self._check_readers(nodes)

    def _check_readers(self, nodes: tuple[str, ...]) -> None:
        for name, count in self.readers.items():
            if name not in (*nodes, EVERY_NODE):
                raise LabError(f"the lab has no node {name!r} to read from: it has {', '.join(nodes)}")
            if not 0 <= count <= MOST_CLIENTS:
                raise LabError(f"a node has 0 to {MOST_CLIENTS} readers: asked for {count}")
        if not 0 < self.read_rate <= 1000:
            raise LabError(f"a reader reads more than 0 and at most 1000 times a second: asked for {self.read_rate:g}")
        if not 0 <= self.read_seconds <= 3600:
            raise LabError(f"a read lasts 0 to 3600 seconds: asked for {self.read_seconds:g}")

    def to_json(self) -> str:
        """As an argument of the load's process."""
        return json.dumps({**asdict(self), "readers": dict(self.readers)})


def from_json(text: str) -> Plan:
    """The inverse of :meth:`Plan.to_json`."""
    return from_document(json.loads(text))


def from_document(document: Mapping[str, Any]) -> Plan:
    """A plan as a load's report has it."""
    return Plan(**{**document, "kind": Kind(document["kind"])})
