"""Textual's terminal driver, made to survive what SSH, tmux and a dying terminal do.

Owns: input that no byte can kill, output that neither fails nor blocks for ever once the terminal is gone, the
number of frames the terminal has not taken yet.
Must not: know the application beyond telling it that the terminal hung up.
"""

from __future__ import annotations

import io
import os
import select
import sys
from io import TextIOWrapper
from typing import IO, TYPE_CHECKING, cast

from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size

from pgreplterm.tui.keyboard import KeyBytes
from pgreplterm.tui.messages import TerminalLost

if TYPE_CHECKING:
    from textual.app import App

# How long output waits for a terminal that takes nothing (XOFF, a stopped multiplexer) once we are leaving.
_LAST_WORDS = 0.3


class Outlet(io.TextIOBase):
    """The terminal as a file that swallows output when nobody is left to read it."""

    def __init__(self, file: IO[str]) -> None:
        self._descriptor = file.fileno()
        self._lost = False
        self.leaving = False

    def fileno(self) -> int:
        """The descriptor of the terminal."""
        return self._descriptor

    def write(self, text: str) -> int:
        """Send all of it, or nothing more once the terminal has gone."""
        data = memoryview(text.encode("utf-8", "replace"))
        while data and not self._lost:
            _, ready, _ = select.select([], [self._descriptor], [], _LAST_WORDS)
            if not ready:
                self._lost = self.leaving
                continue
            try:
                # A small piece, so that one write of a blocking descriptor cannot hang on a full buffer.
                data = data[os.write(self._descriptor, data[:512]) :]
            except OSError:
                self._lost = True
        return len(text)


class SteadyDriver(LinuxDriver):
    """A LinuxDriver with lenient input and an output that reports how far behind the terminal is."""

    def __init__(
        self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        file = sys.__stderr__ if sys.__stderr__ is not None and sys.__stderr__.isatty() else sys.__stdout__
        self._outlet = Outlet(cast("IO[str]", file))
        self._file = cast("TextIOWrapper", self._outlet)

    @property
    def backlog(self) -> int:
        """Writes queued for a terminal that has not taken them; Textual blocks the event loop at 30."""
        writer = self._writer_thread
        return writer._queue.qsize() if writer is not None else 0

    @property
    def terminal_size(self) -> Size:
        """What the terminal's size is now, whether or not a signal told of it."""
        return Size(*self._get_terminal_size())

    def _get_terminal_size(self) -> tuple[int, int]:
        """The terminal's own word: COLUMNS and LINES in the environment know of no later size."""
        try:
            width, height = os.get_terminal_size(self._outlet.fileno())
        except OSError:
            return super()._get_terminal_size()
        return (width, height) if width and height else super()._get_terminal_size()

    def leave(self) -> None:
        """From now on, do not wait for a terminal that takes nothing."""
        self._outlet.leaving = True

    def run_input_thread(self) -> None:
        """Read keys until told to stop; at end of input tell the application, once, and stop."""
        parser = XTermParser(self._debug)
        keys = KeyBytes()
        while not self.exit_event.is_set():
            ready, _, _ = select.select([self.fileno], [], [], 0.1)
            try:
                data = os.read(self.fileno, 4096) if ready else b""
            except OSError:
                data = b""
            if ready and not data:
                self._app.post_message(TerminalLost())
                return
            text = keys.decode(data)
            try:
                # Feeding the empty text means end of input to the parser, which a filtered byte is not.
                for event in parser.feed(text) if text else ():
                    self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)
            except (ParseError, EOFError):
                parser = XTermParser(self._debug)
