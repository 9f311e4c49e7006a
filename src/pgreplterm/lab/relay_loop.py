"""The relay's event loop: sockets, timers and signals of one thread.

Owns: waiting, and calling back in turn. Must not: know what the callbacks do.

asyncio would do as well; importing it takes longer than everything else the relay does before it listens.
"""

from __future__ import annotations

import heapq
import selectors
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

Callback = Callable[[], None]


class Interest:
    """Who wants to know what about one socket."""

    __slots__ = ("reader", "writer")

    def __init__(self) -> None:
        """Nobody yet."""
        self.reader: Callback | None = None
        self.writer: Callback | None = None

    @property
    def events(self) -> int:
        """As selectors count them."""
        return (selectors.EVENT_READ if self.reader else 0) | (selectors.EVENT_WRITE if self.writer else 0)


class Timer:
    """A callback at a time of the monotonic clock; None once cancelled."""

    __slots__ = ("at", "callback")

    def __init__(self, at: float, callback: Callback) -> None:
        """Due at that time."""
        self.at = at
        self.callback: Callback | None = callback

    def __lt__(self, other: Timer) -> bool:
        """Earlier first, for the heap."""
        return self.at < other.at

    def cancel(self) -> None:
        """It will not be called."""
        self.callback = None


class Loop:
    """Runs callbacks one after the other until stop()."""

    def __init__(self) -> None:
        """A loop that waits for nothing yet."""
        self._selector = selectors.DefaultSelector()
        self._timers: list[Timer] = []
        self._interests: dict[socket.socket, Interest] = {}
        self._signalled: list[Callback] = []
        self._running = True

    def on_readable(self, sock: socket.socket, callback: Callback | None) -> None:
        """Call back whenever the socket can be read (or has ended); None: no more."""
        interest = self._interests.get(sock) or Interest()
        if interest.reader != callback:
            before, interest.reader = interest.events, callback
            self._arrange(sock, interest, before)

    def on_writable(self, sock: socket.socket, callback: Callback | None) -> None:
        """Call back whenever the socket can be written (or is broken); None: no more."""
        interest = self._interests.get(sock) or Interest()
        if interest.writer != callback:
            before, interest.writer = interest.events, callback
            self._arrange(sock, interest, before)

    def forget(self, sock: socket.socket) -> None:
        """No more callbacks for that socket: it is about to be closed."""
        self.on_readable(sock, None)
        self.on_writable(sock, None)

    def at(self, when: float, callback: Callback) -> Timer:
        """Call back once at that time of the monotonic clock."""
        timer = Timer(when, callback)
        heapq.heappush(self._timers, timer)
        return timer

    def on_signal(self, number: signal.Signals, callback: Callback) -> None:
        """Call back, between other callbacks, after each such signal."""
        signal.signal(number, lambda *_: self._signalled.append(callback))

    def run(self) -> None:
        """Serve until stop()."""
        awake, waker = socket.socketpair()
        awake.setblocking(False)
        waker.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        self.on_readable(awake, lambda: _drain(awake))
        while self._running:
            self._turn()
        signal.set_wakeup_fd(-1)
        self.forget(awake)
        awake.close()
        waker.close()

    def stop(self) -> None:
        """Return from run() after the current callback."""
        self._running = False

    def _turn(self) -> None:
        """Wait for something to happen, and tell whom it concerns."""
        for key, events in self._selector.select(self._patience()):
            interest: Interest = key.data
            # The first callback may have lost interest for both.
            if events & selectors.EVENT_READ and interest.reader:
                interest.reader()
            if events & selectors.EVENT_WRITE and interest.writer:
                interest.writer()
        now = monotonic()
        while self._timers and self._timers[0].at <= now:
            callback = heapq.heappop(self._timers).callback
            if callback:
                callback()
        while self._signalled:
            self._signalled.pop(0)()

    def _patience(self) -> float | None:
        while self._timers and self._timers[0].callback is None:
            heapq.heappop(self._timers)
        if self._signalled:
            return 0.0
        return max(0.0, self._timers[0].at - monotonic()) if self._timers else None

    def _arrange(self, sock: socket.socket, interest: Interest, before: int) -> None:
        after = interest.events
        if not before and after:
            self._interests[sock] = interest
            self._selector.register(sock, after, interest)
        elif before and not after:
            del self._interests[sock]
            self._selector.unregister(sock)
        elif before != after:
            self._selector.modify(sock, after, interest)


def _drain(sock: socket.socket) -> None:
    with suppress(BlockingIOError):
        while sock.recv(64):
            pass
