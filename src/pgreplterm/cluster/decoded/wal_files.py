"""The pg_wal of a running server, read through SQL.

Owns: one read-only session, the functions it calls, and the sentence for each way a server refuses them.
Must not: know what the bytes mean.

Functions: pg_ls_waldir and pg_read_binary_file (PostgreSQL manual, "Generic File Access Functions"). A path below the
data directory needs no membership in pg_read_server_files, only EXECUTE on the function.
"""

from __future__ import annotations

import io
import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

import psycopg

from pgreplterm.cluster.connecting.connect import Target, WrongDSN, scrub, secrets_of, targets
from pgreplterm.errors import CannotConnect, NoPrivilege
from pgreplterm.wal.errors import WalDeniedError, WalError
from pgreplterm.wal.source import WalSource, open_store
from pgreplterm.wal.stores.store import Entry, gone

CHUNK = 1024 * 1024
_TIMEOUT_MS = 60_000  # for one chunk, over a slow line
_FOLDER = "pg_wal"
_LIST = "SELECT name, size FROM pg_catalog.pg_ls_waldir() ORDER BY name"
_READ = "SELECT pg_catalog.pg_read_binary_file(%s, %s, %s, true)"
_REFUSED_ROLE = re.compile(r"authentication failed|no password supplied|pg_hba\.conf|permission denied|role .* not")


def open_server(dsn: str) -> WalSource:
    """The WAL of the one server that dsn names (whatever psql takes).

    Raises WrongDSN, CannotConnect, NoPrivilege, and WalError as ``wal.open_source`` does.
    """
    found = targets((dsn,))
    if len(found) != 1:
        hosts = ", ".join(target.address for target in found)
        raise WrongDSN(f"WAL is read from one server; the connection string names {len(found)}: {hosts}.")
    return open_store(ServerFiles(found[0]))


class ServerFiles:
    """The store of one server's WAL files and its control file. Connects when first asked, and stays connected."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._secrets = secrets_of(target.conninfo)
        self._connection: psycopg.Connection[Any] | None = None

    def __reduce__(self) -> tuple[type[ServerFiles], tuple[Target]]:
        return ServerFiles, (self._target,)

    @property
    def where(self) -> str:
        """Host and port."""
        return self._target.address

    def locate(self, name: str) -> str:
        """The server and the file below its data directory."""
        return f"{self.where}: {name}" if name else self.where

    def entries(self, folder: str = "") -> list[Entry]:  # noqa: ARG002
        """The files of pg_wal, which is all there is to see."""
        with self._asking(self.where, "pg_ls_waldir()"):
            rows = self._session().execute(_LIST).fetchall()
        return [Entry(f"{_FOLDER}/{name}", size) for name, size in rows]

    def open(self, name: str, offset: int = 0) -> IO[bytes]:
        """The file, 1 MB a round trip."""
        return cast(IO[bytes], _ServerStream(self, name, offset))

    def read_at(self, name: str, offset: int, length: int) -> bytes:
        """One round trip."""
        where = self.locate(name)
        with self._asking(where, "pg_read_binary_file(text, bigint, bigint, boolean)"):
            row = self._session().execute(_READ, (name, offset, length), binary=True).fetchone()
        if row is None or row[0] is None:
            raise gone(where)
        return bytes(row[0])

    def _session(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            connection = psycopg.connect(self._target.conninfo, autocommit=True)
            weakref.finalize(self, connection.close)
            self._connection = connection
            connection.execute(f"SET statement_timeout = {_TIMEOUT_MS}")
        return self._connection

    @contextmanager
    def _asking(self, where: str, function: str) -> Iterator[None]:
        """Make one sentence of what the server or libpq says."""
        try:
            yield
        except psycopg.errors.InsufficientPrivilege as error:
            raise WalDeniedError(
                f"{where}: expected a role that may call {function}; {self._said(error)}. Connect as a superuser, or "
                "have one GRANT pg_monitor TO the role, which lists WAL, and GRANT EXECUTE ON FUNCTION "
                "pg_read_binary_file(text, bigint, bigint, boolean) TO it, which reads any file of the server."
            ) from None
        except psycopg.OperationalError as error:
            said = self._said(error)
            if self._connection is None and _REFUSED_ROLE.search(said):
                raise NoPrivilege(f"{self.where}: the server refused the session; {said}.") from None
            if error.sqlstate == "57014":
                raise WalError(f"{where}: expected an answer within {_TIMEOUT_MS // 1000} s; found none.") from None
            self._forget()
            raise CannotConnect(f"{self.where}: expected a server that answers; {said}.") from None
        except psycopg.Error as error:
            raise WalError(f"{where}: expected a file of the server; {self._said(error)}.") from None

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _said(self, error: psycopg.Error) -> str:
        """The server's own last words in one line, without secrets."""
        text = error.diag.message_primary or str(error)
        line = (text.strip().splitlines() or [type(error).__name__])[-1]
        return scrub(line, *self._secrets).rstrip(".")


class _ServerStream(io.RawIOBase):
    """A file of the server from an offset on."""

    def __init__(self, files: ServerFiles, name: str, offset: int) -> None:
        self._files, self._name, self._offset = files, name, offset
        self._ahead = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if view and not self._ahead:
            self._ahead = self._files.read_at(self._name, self._offset, max(CHUNK, len(view)))
            self._offset += len(self._ahead)
        piece, self._ahead = self._ahead[: len(view)], self._ahead[len(view) :]
        view[: len(piece)] = piece
        return len(piece)
