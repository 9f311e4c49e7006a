"""A session that may change a server we do not own, by a closed list of statements.

Owns: those statements, and the passwords inside primary_conninfo, which never leave this module. Must not: decide
when one is sent, or offer a way to send any other.

PostgreSQL has no bind parameters in ALTER SYSTEM, so values are quoted as literals by the driver. While it is sent the
session does not log: log_statement would write a password down.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgreplterm.cluster.connecting.connect import Target, scrub, secrets_of, shown
from pgreplterm.cluster.operating.consent import Consent
from pgreplterm.cluster.words import printable
from pgreplterm.errors import CannotConnect, DrillFailed, NoPrivilege

SETTINGS = ("primary_conninfo", "primary_slot_name", "synchronous_standby_names")
"""All of them take effect by a reload (13 and later)."""

_OPTIONS = {
    "default_transaction_read_only": "off",
    "statement_timeout": "600000",  # a checkpoint of a busy server takes its time
    "lock_timeout": "10000",
    "synchronous_commit": "local",
}
_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a standby is to stream from: host (or a socket's folder) and port as that standby reaches it."""

    host: str
    port: int
    application_name: str
    slot: str | None


@dataclass(frozen=True, slots=True)
class Before:
    """What a setting was, to be put back; None where postgresql.auto.conf did not have it."""

    name: str
    value: str | None

    def __repr__(self) -> str:
        return f"Before({self.name!r})"  # the value may hold a password


class Operator:
    """One session on one server; a context manager. Every method raises DrillFailed, NoPrivilege or CannotConnect."""

    def __init__(self, target: Target, consent: Consent) -> None:
        self._target = target
        self._secrets = secrets_of(target.conninfo)
        self.cluster = consent.cluster
        self._session: psycopg.Connection[Any] | None = None

    def __enter__(self) -> Operator:
        with self._saying():
            self._session = psycopg.connect(_writable(self._target), autocommit=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            self._session.close()

    def checkpoint(self) -> None:
        """CHECKPOINT, and wait for its end."""
        self._send("CHECKPOINT")

    def promote(self, within: float = 60.0) -> float:
        """pg_promote(), and seconds to the end of recovery."""
        begun = time.monotonic()
        self._send("SELECT pg_catalog.pg_promote(false)")
        while self._value("SELECT pg_catalog.pg_is_in_recovery()"):
            if time.monotonic() - begun > within:
                raise DrillFailed(
                    f"{self._target.name} is still in recovery {within:.0f} s after pg_promote(): see its log."
                )
            time.sleep(_POLL)
        return time.monotonic() - begun

    def resume_replay(self) -> None:
        """pg_wal_replay_resume()."""
        self._send("SELECT pg_catalog.pg_wal_replay_resume()")

    def create_slot(self, name: str) -> bool:
        """A physical slot that holds WAL from now on; False when there is one of that name."""
        if self._value("SELECT true FROM pg_catalog.pg_replication_slots WHERE slot_name = %s", name):
            return False
        self._value("SELECT slot_name FROM pg_catalog.pg_create_physical_replication_slot(%s, true)", name)
        return True

    def drop_slot(self, name: str) -> bool:
        """Drop a physical slot that nobody uses; False when it is used, logical, or not there."""
        dropped = self._value(
            "SELECT count(pg_catalog.pg_drop_replication_slot(slot_name)::text) FROM pg_catalog.pg_replication_slots"
            " WHERE slot_name = %s AND slot_type = 'physical' AND NOT active",
            name,
        )
        return bool(dropped)

    def follow(self, upstream: Upstream) -> tuple[Before, ...]:
        """Stream from there, with the user and the password that it uses now; what was set before.

        A server that reloads writes the new value into its own log, password included: that is PostgreSQL's own doing.
        """
        before = self.will_follow(upstream, self)
        self.reload()
        return before

    def will_follow(self, upstream: Upstream, like: Operator) -> tuple[Before, ...]:
        """The same from its next start as a standby on, with the user and the password that like uses."""
        base = like._setting("primary_conninfo") or ""
        conninfo = make_conninfo(
            base, host=upstream.host, hostaddr=None, port=upstream.port, application_name=upstream.application_name
        )
        return (self.set("primary_conninfo", conninfo), self.set("primary_slot_name", upstream.slot or ""))

    def set(self, name: str, value: str) -> Before:
        """ALTER SYSTEM SET; what it replaces. reload() makes it take effect."""
        before = self._in_auto_conf(name)
        self._alter(name, value)
        return Before(name, before)

    def put_back(self, before: Before) -> None:
        """ALTER SYSTEM SET, or RESET, to what it was, and reload."""
        self._alter(before.name, before.value)
        self.reload()

    def reload(self) -> None:
        """pg_reload_conf()."""
        self._send("SELECT pg_catalog.pg_reload_conf()")

    def conninfo_shown(self) -> str:
        """primary_conninfo as it may be printed."""
        return printable(shown(self._setting("primary_conninfo") or ""))

    def _alter(self, name: str, value: str | None) -> None:
        if name not in SETTINGS:
            raise DrillFailed(f"expected a setting among {', '.join(SETTINGS)}, found {name!r}.")
        for quiet in ("SET log_statement = 'none'", "SET log_min_duration_statement = -1"):
            self._send(quiet)
        setting = sql.Identifier(name)
        if value is None:
            self._send(sql.SQL("ALTER SYSTEM RESET {}").format(setting))
        else:
            self._send(sql.SQL("ALTER SYSTEM SET {} = {}").format(setting, sql.Literal(value)))

    def _in_auto_conf(self, name: str) -> str | None:
        found = self._value(
            "SELECT setting FROM pg_catalog.pg_file_settings WHERE name = %s"
            " AND sourcefile LIKE '%%/postgresql.auto.conf' ORDER BY seqno DESC LIMIT 1",
            name,
        )
        return None if found is None else str(found)

    def _setting(self, name: str) -> str | None:
        found = self._value("SELECT setting FROM pg_catalog.pg_settings WHERE name = %s", name)
        return None if found is None else str(found)

    def _send(self, statement: LiteralString | sql.Composed) -> None:
        with self._saying():
            self._there.execute(statement)

    def _value(self, statement: LiteralString, *parameters: object) -> Any:
        with self._saying():
            row = self._there.execute(statement, parameters).fetchone()
        return None if row is None else row[0]

    @property
    def _there(self) -> psycopg.Connection[Any]:
        assert self._session is not None
        return self._session

    @contextmanager
    def _saying(self) -> Iterator[None]:
        """One sentence of what the server says; it never quotes the statement, which may hold a password."""
        try:
            yield
        except psycopg.errors.InsufficientPrivilege as error:
            raise NoPrivilege(f"{self._target.name} refused: {self._said(error)}. Connect as a superuser.") from None
        except psycopg.OperationalError as error:
            raise CannotConnect(f"{self._target.name} cannot be reached: {self._said(error)}") from None
        except psycopg.Error as error:
            raise DrillFailed(f"{self._target.name} answered: {self._said(error)}") from None

    def _said(self, error: psycopg.Error) -> str:
        text = error.diag.message_primary or str(error)
        line = next((line for line in text.strip().splitlines() if line), type(error).__name__)
        return printable(scrub(line, *self._secrets)).rstrip(".")


def place_of(target: Target) -> tuple[str, int]:
    """Host, or a socket's folder, and port of a server as we reach it."""
    parts = conninfo_to_dict(target.conninfo)
    return str(parts.get("host") or parts.get("hostaddr") or ""), int(parts.get("port") or 5432)


def user_of(target: Target) -> str | None:
    """The role we connect as, where the connection string says."""
    user = conninfo_to_dict(target.conninfo).get("user")
    return None if user is None else str(user)


def _writable(target: Target) -> str:
    parts = conninfo_to_dict(target.conninfo)
    options = " ".join(f"-c {name}={value}" for name, value in _OPTIONS.items())
    return make_conninfo(
        target.conninfo, options=f"{parts.get('options') or ''} {options}".strip(), application_name="pgreplterm drill"
    )
