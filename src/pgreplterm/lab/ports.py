"""Ports for servers and relay edges.

Owns: choosing free ones and holding them until their user starts. Must not: listen.

They are taken below the ephemeral range of Linux and macOS: a stopped node keeps its port for life, and an
outgoing connection of any program could take an ephemeral one meanwhile.
"""

from __future__ import annotations

import random
import socket

from pgreplterm.lab.conninfo import HOST
from pgreplterm.lab.errors import LabError

FIRST, LAST = 15000, 31999


class Reservation:
    """Bound, never listening sockets: nobody else can bind these ports until release()."""

    def __init__(self, count: int) -> None:
        """Reserve count ports. Raises LabError when that many are not free."""
        self._sockets: list[socket.socket] = []
        start = random.randrange(LAST - FIRST)
        for step in range(LAST - FIRST + 1):
            if len(self._sockets) == count:
                break
            self._try(FIRST + (start + step) % (LAST - FIRST + 1))
        if len(self._sockets) < count:
            self.release()
            raise LabError(f"a lab needs {count} free ports between {FIRST} and {LAST} on {HOST}: there are fewer")

    @property
    def ports(self) -> list[int]:
        """The ports, in the order they were found."""
        return [int(sock.getsockname()[1]) for sock in self._sockets]

    def release(self) -> None:
        """Let go of all ports."""
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()

    def _try(self, port: int) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.bind((HOST, port))  # without SO_REUSEADDR, so that a bind with it fails too
        except OSError:
            sock.close()
        else:
            self._sockets.append(sock)


def is_free(port: int) -> bool:
    """Whether a server could listen on that port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as postgres does, to pass TIME_WAIT
        try:
            sock.bind((HOST, port))
        except OSError:
            return False
        return True
