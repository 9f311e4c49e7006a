"""A relay process of its own and plain sockets at both of its ends."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pgreplterm.lab import linkage, links, process
from pgreplterm.lab.link_condition import LinkCondition
from pgreplterm.lab.linkage import EdgeMeasured
from pgreplterm.lab.links import Edge, Links
from pgreplterm.lab.ports import Reservation
from pgreplterm.lab.process import ProcessId, wait_until

PATIENCE = 10.0


def free_port() -> int:
    """A port nobody listens on."""
    reserved = Reservation(1)
    port = reserved.ports[0]
    reserved.release()
    return port


class Wire:
    """A running relay, its links file, and one edge in front of a server of ours."""

    def __init__(self, directory: Path, target: int) -> None:
        """Start the relay and wait until it listens."""
        self.directory = directory
        self.known = Links().with_edge(Edge("pg2", "pg1", free_port(), target))
        links.write(directory, self.known)
        self.relay: ProcessId = links.start_relay(directory)
        links.await_relay(directory, self.relay, self.known.serial)

    @property
    def edge(self) -> Edge:
        """The edge as it is now."""
        found = self.known.edge("pg2", "pg1")
        assert found is not None
        return found

    def set(self, condition: LinkCondition) -> None:
        """Change what is wrong with it."""
        self.serve(self.known.with_edge(replace(self.edge, condition=condition)))

    def reset(self) -> None:
        """Reset its connections, once."""
        self.serve(self.known.with_edge(replace(self.edge, resets=self.edge.resets + 1)))

    def serve(self, changed: Links) -> None:
        """Have the relay serve these edges."""
        self.known = changed
        links.write(self.directory, changed)
        links.reload_relay(self.directory, self.relay, changed.serial)

    def measured(self) -> EdgeMeasured:
        """The edge's figures of this moment."""
        file = self.directory / f"{links.FILE_NAME}.measured"
        file.unlink(missing_ok=True)
        found = process.find(self.relay)
        assert found is not None, (self.directory / "relay.log").read_text()
        found.send_signal(signal.SIGUSR1)
        assert wait_until(file.exists, PATIENCE)
        measured = linkage.measured(self.directory)
        assert measured is not None
        assert measured.age < PATIENCE
        return measured.edges[self.edge.name]

    def close(self) -> None:
        """Take the links file away, and the relay with it."""
        (self.directory / links.FILE_NAME).unlink(missing_ok=True)
        assert wait_until(lambda: not process.is_running(self.relay), PATIENCE)
        log = (self.directory / "relay.log").read_text()
        assert not log, log  # a traceback of a callback


@dataclass
class Ends:
    """One connection through the relay: the socket of the downstream and that of the upstream."""

    down: socket.socket
    up: socket.socket

    def close(self) -> None:
        """Both."""
        self.down.close()
        self.up.close()


Wired = tuple[Wire, socket.socket]
"""A wire, and the listening socket behind it."""


@contextmanager
def wired(directory: Path) -> Iterator[Wired]:
    """A relay with an edge in front of a listening socket."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        wire = Wire(directory, server.getsockname()[1])
        try:
            yield wire, server
        finally:
            wire.close()


def dial(wire: Wire) -> socket.socket:
    """Connect as a downstream does."""
    sock = socket.create_connection(("127.0.0.1", wire.edge.listen), PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def join(wire: Wire, server: socket.socket) -> Ends:
    """Both ends of a new connection, after a byte has gone each way."""
    down = dial(wire)
    up, _ = server.accept()
    up.settimeout(PATIENCE)
    up.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ends = Ends(down, up)
    exchange(ends)
    return ends


def exchange(ends: Ends, word: bytes = b"ping") -> float:
    """Send a word up and have it back; the seconds that took."""
    begun = time.monotonic()
    ends.down.sendall(word)
    assert exactly(ends.up, len(word)) == word
    ends.up.sendall(word)
    assert exactly(ends.down, len(word)) == word
    return time.monotonic() - begun


def exactly(sock: socket.socket, size: int) -> bytes:
    """The next size bytes; fewer when the stream ends."""
    parts = bytearray()
    while len(parts) < size:
        part = sock.recv(size - len(parts))
        if not part:
            break
        parts += part
    return bytes(parts)


def silence(sock: socket.socket, seconds: float = 0.3) -> bool:
    """Whether neither a byte nor an end comes for that long."""
    before = sock.gettimeout()
    sock.settimeout(seconds)
    try:
        sock.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return True
    except OSError:
        return False
    finally:
        sock.settimeout(before)
    return False


def fill(sock: socket.socket, seconds: float = 0.5) -> int:
    """Send until nothing has been taken for that long; the bytes that were."""
    sent, chunk = 0, bytes(64 * 1024)
    before = sock.gettimeout()
    sock.settimeout(seconds)
    try:
        while True:
            sent += sock.send(chunk)
    except TimeoutError:
        return sent
    finally:
        sock.settimeout(before)


def drained(sock: socket.socket, seconds: float = 0.5) -> int:
    """Read until nothing comes for that long; the bytes that came."""
    size = 0
    before = sock.gettimeout()
    sock.settimeout(seconds)
    try:
        while part := sock.recv(1 << 20):
            size += len(part)
    except TimeoutError:
        return size
    finally:
        sock.settimeout(before)
    return size


def document(wire: Wire) -> dict[str, object]:
    """What the links file says."""
    found: dict[str, object] = json.loads((wire.directory / links.FILE_NAME).read_text())
    return found
