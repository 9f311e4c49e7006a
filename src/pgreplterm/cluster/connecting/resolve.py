"""Host names to addresses without ever holding the program up.

Owns: one look-up at a time per host, in a daemon thread. asyncio's own getaddrinfo runs in the default executor,
which is joined at exit: a name server that does not answer would then keep a finished program alive for its whole
timeout. Must not: connect.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class Resolver:
    """Fills in ``hostaddr`` of one conninfo; keeps a slow look-up running instead of starting another."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        parts = conninfo_to_dict(conninfo)
        self._host = None if parts.get("hostaddr") else _name(str(parts.get("host") or ""))
        self._lookup: asyncio.Future[list[str]] | None = None

    async def conninfo(self) -> str:
        """The conninfo with every address of its host, each to be tried. Raises OSError when there is none."""
        if self._host is None:
            return self._conninfo
        if self._lookup is None:
            self._lookup = _look_up(self._host)
        try:
            addresses = await asyncio.shield(self._lookup)
        finally:
            if self._lookup.done():
                self._lookup = None
        hosts = ",".join([self._host] * len(addresses))
        return make_conninfo(self._conninfo, host=hosts, hostaddr=",".join(addresses))


def _name(host: str) -> str | None:
    """The host if it is a name; None for an address or a socket's folder."""
    if not host or host.startswith(("/", "@")):
        return None
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host
    return None


def _look_up(host: str) -> asyncio.Future[list[str]]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[str]] = loop.create_future()

    def settle(found: list[str] | OSError) -> None:
        if future.cancelled():
            return
        if isinstance(found, OSError):
            future.set_exception(found)
            future.exception()  # seen, even when nobody waits any more
        else:
            future.set_result(found)

    def work() -> None:
        found: list[str] | OSError
        try:
            rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(row[4][0]) for row in rows))
        except (OSError, UnicodeError) as error:
            found = OSError(f"host name {host} does not resolve: {getattr(error, 'strerror', None) or error}")
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=work, name=f"resolve {host}", daemon=True).start()
    return future
