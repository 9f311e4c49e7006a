"""Statements and settings on the nodes of a lab, none of which waits for a standby."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from pgreplterm.lab.lab import Lab


def ask(lab: Lab, node: str, *statements: str) -> Any:
    """The answer to the last statement; none of them waits for a standby."""
    with psycopg.connect(lab.dsn(node), autocommit=True, options="-c synchronous_commit=local") as link:
        for statement in statements:
            cursor = link.execute(statement)  # type: ignore[arg-type]
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


@contextmanager
def setting(lab: Lab, node: str, name: str, value: str) -> Iterator[None]:
    """One setting of one server, and what it was before."""
    ask(lab, node, f"ALTER SYSTEM SET {name} = '{value}'", "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        ask(lab, node, f"ALTER SYSTEM RESET {name}", "SELECT pg_reload_conf()")
