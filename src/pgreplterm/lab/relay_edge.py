"""One edge of the relay: a port, what is wrong with it, and the connections that came through it.

Owns: listening, refusing, joining a downstream to the upstream, and telling the connections of a changed condition.
Must not: carry bytes, or know other edges.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from pgreplterm.lab import relay_sockets
from pgreplterm.lab.link_condition import LinkCondition
from pgreplterm.lab.relay_lane import Lane
from pgreplterm.lab.relay_loop import Loop
from pgreplterm.lab.relay_pump import Connection

BACKLOG = 100
"""Connections that wait, as far as they can tell connected, while the edge is cut."""

BREATH = 0.1
"""Seconds to the next attempt after accept() failed, as for want of file descriptors."""


@dataclass(frozen=True, slots=True)
class EdgeSpec:
    """What the links file says about one edge; a reset of all connections is one more in ``resets``."""

    name: str
    listen_host: str
    listen: int
    target_host: str
    target_port: int
    condition: LinkCondition
    resets: int

    @property
    def place(self) -> tuple[str, int, str, int]:
        """What cannot change without closing the edge."""
        return self.listen_host, self.listen, self.target_host, self.target_port


class Edge:
    """One listening port and the connections that came through it."""

    def __init__(self, loop: Loop, spec: EdgeSpec) -> None:
        """Bind the port, and listen unless the edge refuses. Raises OSError."""
        now = monotonic()
        self.spec = spec
        self.wal = Lane(spec.condition.wal, now)
        self.replies = Lane(spec.condition.replies, now)
        self._loop = loop
        self._connections: set[Connection] = set()
        self._arriving: dict[socket.socket, socket.socket] = {}  # downstream: upstream on its way
        self._listening = False
        self._listener = relay_sockets.bound_socket(spec.listen_host, spec.listen)
        self._open()

    @property
    def connections(self) -> int:
        """How many downstreams are joined to their upstream."""
        return len(self._connections)

    def change(self, spec: EdgeSpec) -> None:
        """Serve that from now on, at the same place. Raises OSError when the port was lost while it refused."""
        before, self.spec = self.spec, spec
        if spec.resets != before.resets or spec.condition.refuse:
            self._reset()
        if spec.condition != before.condition:
            self._condition(spec.condition)
        if spec.condition.refuse and self._listening:
            self._refuse()
        self._open()

    def close(self) -> None:
        """Stop listening and reset every connection."""
        self._loop.forget(self._listener)
        self._listener.close()
        self._reset()

    def _condition(self, condition: LinkCondition) -> None:
        now = monotonic()
        was_cut = {lane for lane in self._lanes if lane.cut}
        for lane, flow in zip(self._lanes, (condition.wal, condition.replies), strict=True):
            if lane.flow != flow:
                lane.change(flow, now)
        is_cut = {lane for lane in self._lanes if lane.cut}
        for connection in list(self._connections):
            if is_cut - was_cut:
                connection.cut(is_cut - was_cut, whole=len(is_cut) == len(self._lanes))
            if was_cut - is_cut:
                connection.heal()
        for connection in list(self._connections):
            connection.settle()

    @property
    def _lanes(self) -> tuple[Lane, Lane]:
        return self.wal, self.replies

    def _open(self) -> None:
        """Listen and accept as the condition has it."""
        if self._listener.fileno() < 0:  # the port was lost when it was to refuse
            self._listener = relay_sockets.bound_socket(self.spec.listen_host, self.spec.listen)
        if not self._listening and not self.spec.condition.refuse:
            self._listener.listen(BACKLOG)
            self._listening = True
        accepts = self._listening and not any(lane.cut for lane in self._lanes)
        self._loop.on_readable(self._listener, self._accept if accepts else None)

    def _refuse(self) -> None:
        """Keep the port and stop listening: only a new socket does that everywhere."""
        self._loop.forget(self._listener)
        self._listener.close()
        self._listening = False
        self._listener = relay_sockets.bound_socket(self.spec.listen_host, self.spec.listen)

    def _reset(self) -> None:
        for connection in list(self._connections):
            connection.reset()
        for near in list(self._arriving):
            self._drop(near)

    def _accept(self) -> None:
        try:
            near, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:
            self._loop.on_readable(self._listener, None)
            self._loop.at(monotonic() + BREATH, self._accept_again)
            return
        try:
            relay_sockets.ready(near)
            far = relay_sockets.connect(self.spec.target_host, self.spec.target_port)
        except OSError:  # the downstream sees its connection closed, as from a server that is not there
            relay_sockets.reset(near)
            return
        self._arriving[near] = far
        self._loop.on_writable(far, lambda: self._arrived(near, far))

    def _accept_again(self) -> None:
        if self._listener.fileno() >= 0:
            self._open()

    def _arrived(self, near: socket.socket, far: socket.socket) -> None:
        """The way to the upstream has been gone, or there is none."""
        if relay_sockets.failure(far):
            self._drop(near)
            return
        self._loop.forget(far)
        del self._arriving[near]
        with suppress(OSError):  # already gone again: reading it says so
            relay_sockets.ready(far)
        self._connections.add(Connection(self._loop, near, far, self._lanes, self._connections.discard))

    def _drop(self, near: socket.socket) -> None:
        far = self._arriving.pop(near)
        self._loop.forget(far)
        far.close()
        relay_sockets.reset(near)
