"""Many servers in one process that answer the statements of sampling with a recorded answer, and nothing else.

Owns: the v3 protocol, as far as libpq needs it for a start without password, one simple query and prepared statements.
Must not: know what the statements mean. Run with a folder and a file of recorded answers: a Unix socket each.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

_READY = b"Z\x00\x00\x00\x05I"
_JSON_OID = 114


def message(kind: bytes, body: bytes = b"") -> bytes:
    """A message with its length."""
    return kind + struct.pack("!i", len(body) + 4) + body


def _row(value: str) -> bytes:
    body = value.encode()
    return message(b"D", struct.pack("!hi", 1, len(body)) + body)


_COLUMN = message(b"T", struct.pack("!h", 1) + b"json\0" + struct.pack("!ihihih", 0, 0, _JSON_OID, -1, -1, 0))
_DONE = message(b"C", b"SELECT 1\0")
_HELLO = (
    message(b"R", struct.pack("!i", 0))
    + b"".join(
        message(b"S", f"{name}\0{value}\0".encode())
        for name, value in (
            ("server_version", "18.6"), ("client_encoding", "UTF8"), ("standard_conforming_strings", "on"),
            ("DateStyle", "ISO, MDY"), ("TimeZone", "UTC"), ("integer_datetimes", "on"),
        )
    )
    + message(b"K", struct.pack("!ii", 1, 1))
    + _READY
)  # fmt: skip


class Connection(asyncio.Protocol):
    """One client's. answer gives the json for a statement's text."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        self._answer = answer
        self._buffer = bytearray()
        self._started = False
        self._prepared: dict[bytes, str] = {}
        self._bound, self._holds = "", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Answer every whole message there is, in one write."""
        self._buffer += data
        out = bytearray()
        while (reply := self._next()) is not None:
            out += reply
        if out:
            self._transport.write(bytes(out))

    def _next(self) -> bytes | None:
        head = 1 if self._started else 0
        if len(self._buffer) < head + 4:
            return None
        (length,) = struct.unpack_from("!i", self._buffer, head)
        if len(self._buffer) < head + length:
            return None
        kind, body = bytes(self._buffer[:head]), bytes(self._buffer[head + 4 : head + length])
        del self._buffer[: head + length]
        return self._reply(kind, body) if self._started else self._start(body)

    def _start(self, body: bytes) -> bytes:
        if body[:4] in (struct.pack("!i", 80877103), struct.pack("!i", 80877104)):
            return b"N"  # neither SSL nor GSSAPI
        self._started = True
        return _HELLO

    def _reply(self, kind: bytes, body: bytes) -> bytes:
        match kind:
            case b"Q":
                return _COLUMN + _row(self._answer(body[:-1].decode())) + _DONE + _READY
            case b"P":
                name, statement, _ = body.split(b"\0", 2)
                self._prepared[name] = statement.decode()
                return message(b"1")
            case b"B":
                _, name, values = body.split(b"\0", 2)
                self._bound = self._prepared[name]
                self._holds = _first_parameter_is_given(values)
                return message(b"2")
            case b"D":
                return _COLUMN
            case b"E":
                return _row(self._answer("held:" + self._bound if self._holds else self._bound)) + _DONE
            case b"S":
                return _READY
            case b"X":
                self._transport.close()
        return b""


def _first_parameter_is_given(values: bytes) -> bool:
    """By Bind's format codes, the number of parameters, and the length of the first; -1 is null."""
    (formats,) = struct.unpack_from("!h", values)
    count, length = struct.unpack_from("!hi", values, 2 + 2 * formats) if len(values) >= 8 + 2 * formats else (0, -1)
    return bool(count) and length >= 0


def answering(recorded: dict[str, str]) -> Callable[[str], str]:
    """The recorded answer whose key is in the statement, as of a position that moves with time."""

    def answer(statement: str) -> str:
        held = statement.startswith("held:")
        key = next(key for key in recorded if not key.startswith("held:") and key in statement)
        end = f"1/{int(time.time() * 1e4) & 0xFFFFFFFF:X}"
        return recorded["held:" + key if held else key].replace("@LSN@", end)

    return answer


async def serve(folder: Path, answers: list[dict[str, str]]) -> None:
    """One socket for each, below the folder; a file "ready" when all listen."""
    loop = asyncio.get_running_loop()
    for number, recorded in enumerate(answers):
        path = folder / f"{number}"
        path.mkdir()
        answer = answering(recorded)
        await loop.create_unix_server(lambda answer=answer: Connection(answer), path / ".s.PGSQL.5432", backlog=64)
    (folder / "ready").touch()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())))
