"""The relay carries bytes both ways, holds few of them, and changes edges only when told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pgreplterm.lab import links, process
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.links import Links
from pgreplterm.lab.ports import Reservation, is_free
from pgreplterm.lab.process import wait_until
from pgreplterm.lab.relay import BUFFER, Edge, EdgeSpec


def free_port() -> int:
    reserved = Reservation(1)
    port = reserved.ports[0]
    reserved.release()
    return port


@asynccontextmanager
async def edge_to(handler: object) -> AsyncIterator[int]:
    """An edge in front of a server with that connection handler; the edge's port."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0)  # type: ignore[arg-type]
    target = server.sockets[0].getsockname()[1]
    edge = Edge(EdgeSpec("a<-b", free_port(), "127.0.0.1", target))
    await edge.open()
    try:
        yield edge.spec.listen
    finally:
        await edge.close()
        server.close()
        assert is_free(edge.spec.listen)


async def test_a_half_close_stays_half() -> None:
    async def reverse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        everything = await reader.read()  # ends only when the client's half-close arrives
        writer.write(everything[::-1])
        writer.close()

    async with edge_to(reverse) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = bytes(range(256)) * 4096
        writer.write(sent)
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 10) == sent[::-1]
        writer.close()


async def test_a_reader_that_stops_holds_the_sender_back() -> None:
    release = asyncio.Event()

    async def stalled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    async with edge_to(stalled) as port:
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        sock.setblocking(False)
        sent = 0
        loop = asyncio.get_running_loop()
        chunk = bytes(64 * 1024)
        with pytest.raises(TimeoutError):
            while sent < 64 * BUFFER:
                await asyncio.wait_for(loop.sock_sendall(sock, chunk), 0.5)
                sent += len(chunk)
        # both sockets of the relay, its two user-space buffers, ours and the server's; the kernel doubles each
        assert sent < 32 * BUFFER
        sock.close()
        release.set()


async def test_closing_an_edge_ends_its_connections() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with edge_to(silent) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        await writer.drain()
    with pytest.raises(ConnectionResetError):
        if await asyncio.wait_for(reader.read(), 10) == b"":
            raise ConnectionResetError  # an orderly end would do as well
    writer.close()


async def test_an_upstream_that_is_down_is_a_closed_connection() -> None:
    edge = Edge(EdgeSpec("a<-b", free_port(), "127.0.0.1", free_port()))
    await edge.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.spec.listen)
    with pytest.raises(ConnectionResetError):
        if await asyncio.wait_for(reader.read(), 10) == b"":
            raise ConnectionResetError
    writer.close()
    await edge.close()


def test_the_process_reloads_reports_a_taken_port_and_ends_with_its_file(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        first, second = free_port(), free_port()
        known = Links().with_edge(links.Edge("pg2", "pg1", first, 1))
        links.write(tmp_path, known)
        relay = links.start_relay(tmp_path)
        links.await_relay(tmp_path, relay, known.serial)
        assert not is_free(first)
        known = known.with_edge(links.Edge("pg2", "pg3", second, 1)).without(known.edges)
        links.write(tmp_path, known)
        links.reload_relay(tmp_path, relay, known.serial)
        assert is_free(first)
        assert not is_free(second)
        known = known.with_edge(links.Edge("pg4", "pg3", taken.getsockname()[1], 1))
        links.write(tmp_path, known)
        with pytest.raises(LabError, match=r"pg4<-pg3: port .* already in use"):
            links.reload_relay(tmp_path, relay, known.serial)
    (tmp_path / links.FILE_NAME).unlink()
    assert wait_until(lambda: not process.is_running(relay), 20)
    assert is_free(second)
