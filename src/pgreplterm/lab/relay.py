"""The relay: a process that stands on every replication edge of a lab.

Owns: one listener per edge, the bytes in both directions with bounded buffers, and reloading on SIGHUP.
Must not: import anything outside the standard library (it has to listen within some tens of milliseconds), read
PostgreSQL's protocol, or decide which edges there are.

Run as ``python -m pgreplterm.lab.relay LINKS_FILE``. LINKS_FILE is JSON: ``{"serial": n, "edges": [{"name",
"listen", "target_host", "target_port"}]}``. After each (re)load it replaces ``LINKS_FILE.ack`` with ``{"serial",
"pid", "errors": {edge: reason}}``, so that whoever changed the file can await the change. It ends on SIGTERM,
and by itself when the file disappears.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

LISTEN_HOST = "127.0.0.1"

BUFFER = 128 * 1024
"""Bytes held per direction, in user space and in each socket: a larger one would swallow WAL that a cut or a
slow edge should leave unsent on the upstream."""

ORPHAN_CHECK = 2.0
"""Seconds between two looks whether the lab is still there."""


@dataclass(frozen=True, slots=True)
class EdgeSpec:
    """What LINKS_FILE says about one edge."""

    name: str
    listen: int
    target_host: str
    target_port: int


class Edge:
    """One listening port and the connections that came through it."""

    def __init__(self, spec: EdgeSpec) -> None:
        """An edge that does not listen yet."""
        self.spec = spec
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Start to listen. Raises OSError."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _shrink(listener)  # accepted sockets inherit it
            listener.bind((LISTEN_HOST, self.spec.listen))
            self._server = await asyncio.start_server(self._accepted, sock=listener, limit=BUFFER)
        except OSError:
            listener.close()
            raise

    async def close(self) -> None:
        """Stop listening and reset every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            return  # the edge was removed; a cancelled handler would otherwise be logged as an error
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _serve(self, near: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        """Join a downstream to its upstream until both directions have ended, or either failed."""
        try:
            far, far_writer = await _connect(self.spec)
        except OSError:
            return  # the downstream sees its connection closed, as from a server that is not there
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(pump(near, far_writer))
                pumps.create_task(pump(far, near_writer))
        except* OSError:
            pass  # a reset on one side: both are aborted
        finally:
            far_writer.transport.abort()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one direction; stops reading while the other side does not take. Raises OSError."""
    while chunk := await reader.read(BUFFER):
        writer.write(chunk)
        await writer.drain()
    writer.write_eof()  # a half-close stays half


class Relay:
    """All edges, kept equal to the links file."""

    def __init__(self, links_file: Path) -> None:
        """A relay without edges."""
        self._file = links_file
        self._edges: dict[str, Edge] = {}

    async def run(self) -> None:
        """Serve until SIGTERM or until the lab is gone."""
        loop = asyncio.get_running_loop()
        reload, stop = asyncio.Event(), asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, reload.set)
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        reload.set()
        stopping = asyncio.create_task(stop.wait())
        while not stopping.done() and self._file.exists():
            if reload.is_set():
                reload.clear()
                await self._reload()
            reloading = asyncio.create_task(reload.wait())
            await asyncio.wait({stopping, reloading}, timeout=ORPHAN_CHECK, return_when=asyncio.FIRST_COMPLETED)
            reloading.cancel()
        stopping.cancel()
        for edge in self._edges.values():
            await edge.close()

    async def _reload(self) -> None:
        try:
            serial, wanted = read_links(self._file)
        except FileNotFoundError:
            return
        for name in [name for name, edge in self._edges.items() if wanted.get(name) != edge.spec]:
            await self._edges.pop(name).close()
        errors: dict[str, str] = {}
        for name, spec in wanted.items():
            if name not in self._edges:
                edge = Edge(spec)
                try:
                    await edge.open()
                except OSError as error:
                    errors[name] = f"port {spec.listen}: {error.strerror}"
                else:
                    self._edges[name] = edge
        self._acknowledge(serial, errors)

    def _acknowledge(self, serial: int, errors: dict[str, str]) -> None:
        text = json.dumps({"serial": serial, "pid": os.getpid(), "errors": errors})
        temporary = self._file.with_name(f"{self._file.name}.ack.tmp")
        temporary.write_text(text)
        temporary.rename(self._file.with_name(f"{self._file.name}.ack"))


def read_links(path: Path) -> tuple[int, dict[str, EdgeSpec]]:
    """The serial number of the file and its edges by name. Raises OSError, ValueError."""
    document = json.loads(path.read_text())
    edges = [
        EdgeSpec(edge["name"], edge["listen"], edge["target_host"], edge["target_port"]) for edge in document["edges"]
    ]
    return document["serial"], {edge.name: edge for edge in edges}


async def _connect(spec: EdgeSpec) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        _shrink(sock)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (spec.target_host, spec.target_port))
        return await asyncio.open_connection(sock=sock, limit=BUFFER)
    except BaseException:
        sock.close()
        raise


def _shrink(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)


def main() -> None:
    """Run the relay of the links file named on the command line."""
    asyncio.run(Relay(Path(sys.argv[1])).run())


if __name__ == "__main__":
    main()
