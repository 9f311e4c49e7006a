"""The few statements a lab sends to its own servers.

Owns: short synchronous connections as superuser and what is asked through them. Must not: sample or judge a
cluster (that is the ``cluster`` room), or hold a connection.

psycopg takes some 150 ms to import: it is imported on first use, which ``lab up`` arranges while initdb runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

from pgreplterm.errors import CannotConnect
from pgreplterm.lab.errors import LabError

if TYPE_CHECKING:
    import psycopg

CONNECT_TIMEOUT = 3
"""Seconds; libpq raises anything below 2 to 2."""

STATEMENT_TIMEOUT_MS = 30_000
PROMOTION_POLL = 0.002
"""Seconds between two looks at pg_is_in_recovery(); pg_promote(true) itself looks only every 100 ms."""


@contextmanager
def connection(dsn: str, node: str) -> Iterator[psycopg.Connection[Any]]:
    """An autocommit connection. Raises CannotConnect; a statement that fails raises LabError."""
    import psycopg

    try:
        opened = psycopg.connect(
            dsn,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT,
            sslmode="disable",  # said here, so that no PG* variable of the user changes it
            gssencmode="disable",
            target_session_attrs="any",
            application_name="pgreplterm lab",
            options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c synchronous_commit=local",
        )
    except psycopg.Error as error:
        raise CannotConnect(f"{node} cannot be reached: {_first_line(error)}") from None
    try:
        with opened:
            yield opened
    except psycopg.Error as error:
        raise LabError(f"{node} answered: {_first_line(error)}") from None


def value(link: psycopg.Connection[Any], statement: LiteralString, *parameters: object) -> Any:
    """The first column of the first row."""
    row = link.execute(statement, parameters).fetchone()
    return None if row is None else row[0]


def create_slots(link: psycopg.Connection[Any], names: tuple[str, ...]) -> None:
    """Make the physical slots that do not exist, holding WAL from now on rather than from first use."""
    link.execute(
        "SELECT pg_create_physical_replication_slot(name, true) FROM unnest(%s::name[]) AS wanted(name)"
        " WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = wanted.name)",
        [list(names)],
    )


def drop_slot(link: psycopg.Connection[Any], name: str) -> bool:
    """Remove a slot unless somebody uses it; whether there was one to remove."""
    dropped = link.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s AND NOT active",
        [name],
    )
    return dropped.rowcount > 0


def has_slot(link: psycopg.Connection[Any], name: str) -> bool:
    """Whether there is a slot of that name."""
    return bool(value(link, "SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %s)", name))


def streaming(link: psycopg.Connection[Any]) -> set[str]:
    """The application names of the walreceivers that stream from this server."""
    rows = link.execute("SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'")
    return {str(row[0]) for row in rows}


@dataclass(frozen=True, slots=True)
class Standing:
    """What a server says about itself; receiver is pg_stat_wal_receiver.status or None."""

    in_recovery: bool
    receiver: str | None


def standing(link: psycopg.Connection[Any]) -> Standing:
    """Role and walreceiver state in one round trip."""
    row = link.execute("SELECT pg_is_in_recovery(), (SELECT status FROM pg_stat_wal_receiver)").fetchone()
    assert row is not None  # a query without FROM has one row
    return Standing(bool(row[0]), row[1])


def promote(link: psycopg.Connection[Any], node: str, timeout: float) -> float:
    """Ask for promotion and wait for the end of recovery; seconds between the two. Raises LabError."""
    begun = time.monotonic()
    link.execute("SELECT pg_promote(false)")
    while value(link, "SELECT pg_is_in_recovery()"):
        if time.monotonic() - begun > timeout:
            raise LabError(f"{node} is still in recovery {timeout:.0f} s after pg_promote(): see its log")
        time.sleep(PROMOTION_POLL)
    return time.monotonic() - begun


def create_probe_table(link: psycopg.Connection[Any]) -> None:
    """The table of :mod:`pgreplterm.lab.prober`."""
    link.execute(
        "CREATE TABLE IF NOT EXISTS pgreplterm_probe"
        " (client int NOT NULL, id bigint NOT NULL, PRIMARY KEY (client, id))"
    )


def forget_probes(link: psycopg.Connection[Any], last: int) -> None:
    """Delete the rows of the clients up to that number."""
    if last > 0:
        link.execute("DELETE FROM pgreplterm_probe WHERE client <= %s", [last])


def create_load_table(link: psycopg.Connection[Any]) -> None:
    """The table of :mod:`pgreplterm.lab.load`."""
    link.execute(
        "CREATE TABLE IF NOT EXISTS orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " customer int NOT NULL, amount numeric(10, 2) NOT NULL, placed_at timestamptz NOT NULL DEFAULT now())"
    )


def create_heartbeat_table(link: psycopg.Connection[Any]) -> None:
    """The table of :mod:`pgreplterm.lab.load.heartbeat`."""
    link.execute(
        "CREATE TABLE IF NOT EXISTS pgreplterm_heartbeat (one bool PRIMARY KEY CHECK (one), at timestamptz NOT NULL)"
    )


def _first_line(error: Exception) -> str:
    """psycopg's message without its DETAIL and HINT lines; it never holds the password."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
