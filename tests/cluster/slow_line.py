"""A slow line between a standby and its upstream: a Unix socket that passes on so many bytes a second.

Owns: the socket and its two threads per connection. Must not: touch the servers' settings.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SLICE = 0.02  # seconds


@contextmanager
def slow_line(upstream: Path, folder: Path, rate: int) -> Iterator[Path]:
    """The folder of a socket like upstream's, rate bytes a second slow towards whoever connects to it."""
    folder.mkdir(mode=0o755)
    place = folder / ".s.PGSQL.5432"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        place.chmod(0o777)
        listener.listen()
        ends: list[socket.socket] = []
        threading.Thread(target=_accept, args=(listener, upstream / place.name, rate, ends), daemon=True).start()
        try:
            yield folder
        finally:
            for end in (listener, *ends):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            for end in ends:
                end.close()


def _accept(listener: socket.socket, upstream: Path, rate: int, ends: list[socket.socket]) -> None:
    with suppress(OSError):
        while True:
            near, _ = listener.accept()
            far = socket.socket(socket.AF_UNIX)
            far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
            far.connect(str(upstream))
            ends += [near, far]
            threading.Thread(target=_pass_on, args=(far, near, rate), daemon=True).start()
            threading.Thread(target=_pass_on, args=(near, far, None), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, rate: int | None) -> None:
    with suppress(OSError):
        while chunk := source.recv(64 * 1024 if rate is None else max(1, int(rate * _SLICE))):
            sink.sendall(chunk)
            if rate is not None:
                time.sleep(_SLICE)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
