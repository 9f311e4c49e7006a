"""Ports for servers and relay edges.

Owns: choosing free ones and holding them until their user starts. Must not: listen.

They are taken below the ephemeral range of Linux and macOS: a stopped node keeps its port for life, and an
outgoing connection of any program could take an ephemeral one meanwhile. For the same reason none is taken that
another lab of this user has written down.
"""

from __future__ import annotations

import os
import random
import re
import socket
from collections.abc import Iterator
from contextlib import suppress

from pgreplterm.lab import links, places, process, state
from pgreplterm.lab.conninfo import HOST
from pgreplterm.lab.errors import LabError

ENVIRONMENT_VARIABLE = "PGREPLTERM_LAB_PORTS"
DEFAULT_RANGE = "15000-31999"

_LETS_GO_WITHIN = 2.0  # seconds: a server that was killed holds its port until its last child is gone


class Reservation:
    """Bound, never listening sockets: nobody else can bind these ports until release()."""

    def __init__(self, count: int) -> None:
        """Reserve count ports. Raises LabError when that many are not free."""
        self._sockets: list[socket.socket] = []
        usable = chosen_range()
        taken = frozenset(_of_labs())
        start = random.randrange(len(usable))
        for step in range(len(usable)):
            if len(self._sockets) == count:
                break
            port = usable[(start + step) % len(usable)]
            if port not in taken:
                self._try(port)
        if len(self._sockets) < count:
            self.release()
            raise LabError(
                f"a lab needs {count} free ports between {usable[0]} and {usable[-1]} on {HOST}: there are fewer"
            )

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


def becomes_free(port: int) -> bool:
    """is_free, for a port whose server may have ended a moment ago."""
    return process.wait_until(lambda: is_free(port), _LETS_GO_WITHIN)


def chosen_range() -> range:
    """The ports that labs may use. Raises LabError when $PGREPLTERM_LAB_PORTS names none."""
    text = os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT_RANGE
    said = re.fullmatch(r"\s*(\d{1,5})\s*-\s*(\d{1,5})\s*", text)
    first, last = (int(said[1]), int(said[2])) if said else (0, 0)
    if not 1024 <= first <= last <= 65535:
        raise LabError(
            f"{ENVIRONMENT_VARIABLE}: expected the first and the last port a lab may use, such as {DEFAULT_RANGE}, "
            f"from 1024 to 65535; found {text!r}"
        )
    return range(first, last + 1)


def _of_labs() -> Iterator[int]:
    """The ports that this user's labs have written down, running or not."""
    for directory in places.directories():
        with suppress(LabError):  # half-built or damaged
            yield from (node.port for node in state.read(directory).nodes)
        with suppress(LabError):
            yield from (edge.listen for edge in links.read(directory).edges)
