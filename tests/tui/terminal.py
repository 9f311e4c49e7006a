"""A program on a pseudo-terminal, its screen read through an emulator.

Owns: the pty, a thread that reads it, the emulated screen, the count of bytes, the process's end.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

import pyte

PATIENCE = 40.0  # seconds; generous, a test that needs them fails anyway


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """``with Terminal([...]) as terminal``: the program runs inside; at the end it is gone."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        width: int = 80,
        height: int = 24,
        env: Mapping[str, str] | None = None,
        controlling: bool = True,
    ) -> None:
        """controlling False: the terminal is not the program's own, so its loss sends no SIGHUP."""
        self._master, slave = pty.openpty()
        self._resize(slave, width, height)
        self._screen = pyte.Screen(width, height)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self._changed_at = time.monotonic()
        self.received = bytearray()
        self.stalled = False  # True: nobody reads what the program writes
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "", **(env or {})}
        environment.pop("NO_COLOR", None)
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            preexec_fn=_take_terminal if controlling else None,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(PATIENCE)
        self.hang_up()
        self._reader.join(PATIENCE)

    def hang_up(self) -> None:
        """Close the terminal under the program, as a lost SSH session does."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def _read(self) -> None:
        while (master := self._master) >= 0:
            if self.stalled:
                time.sleep(0.02)
                continue
            try:
                ready, _, _ = select.select([master], [], [], 0.02)
                data = os.read(master, 65536) if ready else None
            except (OSError, ValueError):
                return
            if data == b"":
                return
            if data:
                with self._lock:
                    self.received += data
                    # pyte knows no private prefixes of the kitty protocol and prints what follows them.
                    self._stream.feed(data.replace(b"\x1b[>13u", b"").replace(b"\x1b[<u", b""))
                    self._changed_at = time.monotonic()

    @staticmethod
    def _resize(descriptor: int, width: int, height: int) -> None:
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def resize(self, width: int, height: int) -> None:
        """Another size; the kernel sends SIGWINCH."""
        with self._lock:
            self._screen.resize(height, width)
        self._resize(self._master, width, height)

    def press(self, text: str | bytes) -> None:
        """Type."""
        os.write(self._master, text.encode() if isinstance(text, str) else text)

    @property
    def lines(self) -> list[str]:
        """The screen now."""
        with self._lock:
            return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """The screen now, as one text."""
        return "\n".join(self.lines)

    def wait_for(self, condition: str | Callable[[str], bool], within: float = PATIENCE) -> str:
        """The screen once it shows that text or fulfils that condition."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            text = self.text
            if condition in text if isinstance(condition, str) else condition(text):
                return text
            if self.process.poll() is not None and time.monotonic() - self._changed_at > 0.2:
                break
            time.sleep(0.01)
        wanted = condition if isinstance(condition, str) else "the condition"
        raise AssertionError(f"expected {wanted!r} on the screen within {within} s, found:\n{self.text}")

    def settle(self, quiet: float = 0.3, within: float = PATIENCE) -> None:
        """Wait until nothing has been received for quiet seconds."""
        deadline = time.monotonic() + within
        while time.monotonic() - self._changed_at < quiet:
            assert time.monotonic() < deadline, f"the screen never came to rest:\n{self.text}"
            time.sleep(0.01)

    def wait_exit(self, within: float = PATIENCE) -> int:
        """The exit status."""
        return self.process.wait(within)
