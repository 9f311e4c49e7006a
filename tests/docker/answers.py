"""Something that listens where an engine would, and answers as it is told.

For what a healthy engine does not do: being old, silent, full, or no engine at all.
"""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer, ThreadingUnixStreamServer
from typing import Any

VERSION = {"Version": "28.0.1", "ApiVersion": "1.48", "MinAPIVersion": "1.24"}

Answer = tuple[int, object]
"""A status and a JSON document."""


class _Quiet:
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about."""


class _Tcp(_Quiet, ThreadingTCPServer):
    pass


class _Local(_Quiet, ThreadingUnixStreamServer):
    pass


@contextmanager
def folder() -> Iterator[Path]:
    """A folder with a path short enough for a socket, which others may enter."""
    made = Path(tempfile.mkdtemp(prefix="pgr-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


@contextmanager
def engine(answers: Mapping[str, Answer], tcp: bool = False, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """An engine's address; answers are by the end of the request's path, and any other request is never answered."""
    done = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            found = next((answer for end, answer in answers.items() if path.endswith(end)), None)
            if found is None:
                done.wait()
                return
            body = json.dumps(found[1]).encode()
            self.send_response(found[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Silent."""

    with _served(Handler, tcp or tls is not None, done, tls) as address:
        yield address


@contextmanager
def stranger(says: bytes) -> Iterator[str]:
    """Something else at that address: it says that to whoever comes, and hangs up."""

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)
            self.wfile.write(says)

    with _served(Handler, False, threading.Event()) as address:
        yield address


@contextmanager
def deserted() -> Iterator[str]:
    """The socket an engine left behind when it was killed."""
    with folder() as place:
        left = socket.socket(socket.AF_UNIX)
        left.bind(str(place / "docker.sock"))
        left.close()
        yield f"unix://{place}/docker.sock"


@contextmanager
def _served(
    handler: Callable[..., Any], tcp: bool, done: threading.Event, tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    with folder() as place:
        path = place / "docker.sock"
        server: ThreadingTCPServer | ThreadingUnixStreamServer
        make_local = partial(_Local, str(path))
        server = _Tcp(("127.0.0.1", 0), handler) if tcp else make_local(handler)
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.server_address[1]}" if tcp else f"unix://{path}"
        finally:
            done.set()
            server.shutdown()
            thread.join()
            server.server_close()
