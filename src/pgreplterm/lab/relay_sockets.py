"""What the relay asks of the kernel about a socket.

Owns: small buffers, a hard reset, whether the other end is gone, and keeping what the kernel holds from leaving.
Must not: hold connections.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import sys
from contextlib import suppress

from pgreplterm.lab.relay_lane import BUFFER

_SIOCOUTQNSD = 0x894B
"""Linux: bytes in the send queue that were not sent (include/uapi/linux/sockios.h)."""

_SO_ATTACH_FILTER = 26
_DROP_EVERYTHING = struct.pack("HBBI", 0x06, 0, 0, 0)  # BPF: ret #0

_ENDED = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)


def tcp_socket() -> socket.socket:
    """A socket that does not block, with small buffers (accepted ones inherit them)."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    fit(sock, sock, BUFFER)
    sock.setblocking(False)
    return sock


def fit(source: socket.socket, sink: socket.socket, size: int) -> None:
    """Have the kernel hold about that much between the two, or what it allows if that is less."""
    source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket at that address, which refuses until it listens. Raises OSError."""
    sock = tcp_socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def ready(sock: socket.socket) -> None:
    """Prepare a connected socket: every small message at once, and no waiting."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)


def connect(host: str, port: int) -> socket.socket:
    """A socket on its way to that address; it is writable once it has arrived or failed. Raises OSError."""
    sock = tcp_socket()
    found = sock.connect_ex((host, port))
    if found not in (0, errno.EINPROGRESS):
        sock.close()
        raise OSError(found, "connect")
    return sock


def failure(sock: socket.socket) -> int:
    """The error number a connecting socket ended with; 0 when it is connected."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def reset(sock: socket.socket) -> None:
    """Close so that the other end sees a reset, and drop what was not sent."""
    with suppress(OSError):  # macOS, when the other end was first
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def ended(sock: socket.socket) -> bool:
    """Whether the other end has closed or reset, read or not."""
    poll = select.poll()
    poll.register(sock, _ENDED)
    return bool(poll.poll(0))


def unsent(sock: socket.socket) -> int:
    """Bytes the kernel took and could not send, because the other end takes no more; 0 where that is not told."""
    if sys.platform != "linux":
        return 0
    import fcntl

    try:
        return int(struct.unpack("i", fcntl.ioctl(sock.fileno(), _SIOCOUTQNSD, bytes(4)))[0])
    except OSError:
        return 0


def deafen(sock: socket.socket) -> bool:
    """Have the kernel ignore all that comes in, so that the other end's window never opens for what is unsent.

    Whether it does. Such a connection is then good for a reset only.
    """
    import ctypes

    program = ctypes.create_string_buffer(_DROP_EVERYTHING)
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program)))
    except OSError:
        return False
    return True
