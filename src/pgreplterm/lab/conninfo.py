"""How a lab's servers are addressed.

Owns: the DSNs of lab nodes and the walreceiver's ``primary_conninfo``. Must not: connect.

The superuser of a lab has a random password that only a file knows (mode 0600, named by ``passfile``): trust on
a loopback port would give every local account the rights of the one that runs the servers (CVE-2014-0067).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

HOST = "127.0.0.1"
SUPERUSER = "postgres"
DATABASE = "postgres"

TCP_USER_TIMEOUT_MS = 3000
"""Bounds a connection attempt of the walreceiver, which ignores connect_timeout (it connects asynchronously)."""


class Way(StrEnum):
    """How a client finds the node that takes writes."""

    QUICK = "quick"  # each node in turn, half a second each
    APPLICATION = "application"  # libpq's own multi-host DSN, two seconds each


def dsn(port: int, passfile: Path, database: str = DATABASE) -> str:
    """What psql takes to reach one node as superuser."""
    return f"postgresql://{SUPERUSER}@{HOST}:{port}/{quote(database, safe='')}?passfile={quote(str(passfile))}"


def application_dsn(ports: Sequence[int], passfile: Path) -> str:
    """What an application would be given: every node, and libpq finds the one that takes writes."""
    hosts = ",".join(f"{HOST}:{port}" for port in ports)
    return (
        f"postgresql://{SUPERUSER}@{hosts}/{DATABASE}?passfile={quote(str(passfile))}&target_session_attrs=read-write"
    )


def keywords(port: int, passfile: Path, *, host: str = HOST, **more: str | int) -> str:
    """The same in keyword form with further libpq parameters, as pg_rewind and primary_conninfo want it."""
    words: dict[str, str | int] = {
        "host": host,
        "port": port,
        "user": SUPERUSER,
        "dbname": DATABASE,
        "passfile": str(passfile),
    }
    words.update(more)
    return " ".join(f"{word}={_quoted(str(value))}" for word, value in words.items())


def primary_conninfo(relay_port: int, passfile: Path, node: str, *, host: str = HOST) -> str:
    """What node's walreceiver connects with: its own relay port, and its own name as application_name."""
    return keywords(
        relay_port, passfile, host=host, application_name=node, tcp_user_timeout=TCP_USER_TIMEOUT_MS, sslmode="disable"
    )


def _quoted(value: str) -> str:
    if value and not set(value) & set(" '\\"):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
