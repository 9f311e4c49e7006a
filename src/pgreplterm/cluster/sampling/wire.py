"""One statement at a time over one connection, without a cursor: sent, awaited, its one value returned.

Owns: libpq's asynchronous calls for the few statements of sampling, which a cursor doubles the cost of, and the
prepared statements. Must not: limit the time an answer takes; whoever stops waiting must close the connection.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import AsyncConnection, pq
from psycopg.errors import error_from_result

_OK = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


class Wire:
    """A connection to ask one thing after another."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._pgconn = connection.pgconn
        self._prepared: dict[str, bytes] = {}

    async def value(self, statement: str) -> Any:
        """The json in the one column of the one row; None without a row. Raises psycopg.Error."""
        self._pgconn.send_query_params(statement.encode(), None)
        return _json(await self._result())

    async def prepared_value(self, statement: str, parameters: Sequence[str | None]) -> Any:
        """The same of a statement that is asked again and again: planning one costs more than running it."""
        name = self._prepared.get(statement)
        if name is None:
            name = f"pgreplterm_{len(self._prepared)}".encode()
            self._pgconn.send_prepare(name, statement.encode())
            await self._result()
            self._prepared[statement] = name
        self._pgconn.send_query_prepared(name, [None if one is None else one.encode() for one in parameters])
        return _json(await self._result())

    async def _result(self) -> pq.abc.PGresult:
        """The answer to what was just sent."""
        loop, socket = asyncio.get_running_loop(), self._pgconn.socket
        answered: asyncio.Future[pq.abc.PGresult] = loop.create_future()
        results: list[pq.abc.PGresult] = []

        def advance() -> None:
            if answered.done():
                return
            try:
                if self._advance(results):
                    answered.set_result(results[-1])
            except psycopg.Error as error:
                answered.set_exception(error)

        if self._pgconn.flush():
            loop.add_writer(socket, advance)
        loop.add_reader(socket, advance)
        try:
            result = await answered
        finally:
            loop.remove_reader(socket)
            loop.remove_writer(socket)
        if result.status not in _OK:
            raise error_from_result(result, "utf-8")
        return result

    def _advance(self, results: list[pq.abc.PGresult]) -> bool:
        """Read what came, send what is left; True when the whole answer is there."""
        if self._pgconn.flush() == 0:
            asyncio.get_running_loop().remove_writer(self._pgconn.socket)
        self._pgconn.consume_input()
        while not self._pgconn.is_busy():
            result = self._pgconn.get_result()
            if result is None:
                return True
            results.append(result)
        return False


def _json(result: pq.abc.PGresult) -> Any:
    value = result.get_value(0, 0) if result.ntuples else None
    return None if value is None else json.loads(value.decode())
