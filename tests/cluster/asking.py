"""One node asked without a clock: a sample by a role, and what plain SQL says of the same thing.

Owns: opening and closing the session. Must not: join or judge.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from psycopg.rows import dict_row

from pgreplterm.cluster.connecting.connect import named_target
from pgreplterm.cluster.model import NodeSample
from pgreplterm.cluster.sampling.session import Session

from .replicas import Node

ROLES = ("postgres", "watcher", "nobody_special")
WITHIN = 10.0
HISTORY = "EXECUTE on function pg_read_binary_file(text, bigint, bigint, boolean)"


@asynccontextmanager
async def asking(node: Node, role: str = "postgres") -> AsyncIterator[Session]:
    """A session on that node as that role."""
    session = Session(named_target(node.name, node.dsn_as(role)))
    try:
        yield session
    finally:
        session.close()


async def sampled(node: Node, role: str = "postgres") -> NodeSample:
    """One sample by a session of its own."""
    async with asking(node, role) as session:
        return await session.sample(WITHIN)


async def sampled_until(session: Session, condition: Callable[[NodeSample], object]) -> NodeSample:
    """The first sample for which the condition holds."""
    deadline = time.monotonic() + 20.0
    while not condition(sample := await session.sample(WITHIN)):
        assert time.monotonic() < deadline, f"never seen; last: {sample}"
    return sample


def plain(node: Node, query: str) -> dict[str, Any]:
    """The one row of a query by superuser, as psql would show it."""
    with node.connect() as session:
        row = session.cursor(row_factory=dict_row).execute(query.encode()).fetchone()
    assert row is not None
    return row


def major_of(node: Node) -> int:
    """The server's major version."""
    return int(node.sql("show server_version_num")) // 10000
