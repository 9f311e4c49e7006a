"""The bytes of one connection through the relay.

Owns: carrying each direction under its lane's condition with bounded buffers, half-closes, resets and cuts.
Must not: listen, know other connections, or read PostgreSQL's protocol.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from time import monotonic

from pgreplterm.lab import relay_sockets
from pgreplterm.lab.relay_lane import GOOD_BUFFER, Lane
from pgreplterm.lab.relay_loop import Loop, Timer

BUFFERS_A_TURN = 8
"""A turn of the event loop costs as much as a small copy: a busy stream gets some buffers through in one."""

_scratch = memoryview(bytearray(GOOD_BUFFER))


class Chunk:
    """Bytes on the way; none: the end of the stream."""

    __slots__ = ("data", "due", "taken_at")

    def __init__(self, data: bytes, taken_at: float, due: float) -> None:
        """Read at taken_at and to be delivered at due."""
        self.data = memoryview(data)
        self.taken_at = taken_at
        self.due = due


class Pump:
    """One direction of one connection."""

    def __init__(self, connection: Connection, source: socket.socket, sink: socket.socket, lane: Lane) -> None:
        """A pump that does not read yet."""
        self.lane = lane
        self.source, self.sink = source, sink
        self.over = False
        self._connection = connection
        self._loop = connection.loop
        self._queue: deque[Chunk] = deque()
        self._held = 0
        self._last_due = 0.0
        self._ended = False  # the source has
        self._blocked = False  # the sink takes no more
        self._alarm: Timer | None = None

    def fit(self) -> None:
        """Have the kernel hold as much as suits the lane's condition."""
        if not self.over:
            relay_sockets.fit(self.source, self.sink, self.lane.buffer)

    def settle(self, now: float) -> None:
        """Deliver what is due, and wait for what is needed next."""
        if self.over:
            return
        if not self._blocked and self._queue and not self.lane.cut:
            self._flush(now)
        if self.over:
            return
        wants = not (self._ended or self.lane.cut or self._held >= self.lane.window)
        pause = self.lane.wait(now) if wants and not self.lane.unlimited else 0.0
        self._loop.on_readable(self.source, self._readable if wants and not pause else None)
        self._loop.on_writable(self.sink, self._writable if self._blocked and not self.lane.cut else None)
        self._set_alarm(now, pause)

    def cut_off(self) -> bool:
        """Drop what is held, as the wire was cut; whether anything was."""
        lost = bool(self._queue)
        self.lane.dropped += self._held
        self._clear()
        return lost

    def hold_back(self) -> bool:
        """Drop what the kernel has not sent; nothing more comes or goes at that socket. Whether anything was."""
        if not relay_sockets.unsent(self.sink) or not relay_sockets.deafen(self.sink):
            return False
        self.lane.take_back(relay_sockets.unsent(self.sink))
        return True

    def stop(self) -> None:
        """Nothing more happens here."""
        self.over = True
        self._clear()

    def _readable(self) -> None:
        """Take what there is, but let the others have their turn after some buffers."""
        for _ in range(BUFFERS_A_TURN):
            if not self._read():
                return

    def _read(self) -> bool:
        """Take one buffer; True when all of it has gone on and more may be waiting."""
        now = monotonic()
        lane = self.lane
        room = lane.buffer if lane.unlimited else 0 if lane.stalled(now) else lane.allowance(now)
        room = min(room, lane.window - self._held, lane.buffer)
        if room > 0:
            try:
                size = self.source.recv_into(_scratch, room)
            except BlockingIOError:
                return False
            except OSError:
                self._connection.broken = True
                size = 0
            if not lane.unlimited:
                lane.spend(size)
            if self._pass_on(size, now):
                return size == room
        self.settle(now)
        return False

    def _pass_on(self, size: int, now: float) -> bool:
        """Send or queue what was read; True when all is gone and the next bytes may come."""
        lane = self.lane
        sent = 0
        if size and not self._queue and not lane.delays:
            sent = self._send(_scratch[:size], now)
            if sent == size and not self.over:
                return lane.unlimited
        if self.over:
            return False
        self._ended = not size
        self._last_due = lane.due(now, self._last_due) if lane.delays else self._last_due
        self._queue.append(Chunk(bytes(_scratch[sent:size]), now, self._last_due))
        self._hold(size - sent)
        return False

    def _flush(self, now: float) -> None:
        """Send the chunks that are due, unless there is a stall."""
        queue = self._queue
        if self.lane.stalled(now):
            return
        while queue and queue[0].due <= now and not self._blocked:
            chunk = queue[0]
            if not chunk.data:
                self._finish()
                return
            sent = self._send(chunk.data, chunk.taken_at)
            if self.over:
                return
            self._hold(-sent)
            chunk.data = chunk.data[sent:]
            if not chunk.data:
                queue.popleft()

    def _send(self, data: memoryview, taken_at: float) -> int:
        """How many bytes the sink took. When it is broken this pump is over: its peer still reads what is left."""
        try:
            sent = self.sink.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._connection.broken = True
            self.stop()
            self._connection.pump_over()
            return 0
        self._blocked = sent < len(data)
        if sent:
            self.lane.deliver(sent, monotonic() - taken_at)
        return sent

    def _writable(self) -> None:
        self._blocked = False
        self.settle(monotonic())

    def _finish(self) -> None:
        """All was delivered and the source has ended: a half-close stays half, a reset stays a reset."""
        self.stop()
        if not self._connection.broken:
            try:
                self.sink.shutdown(socket.SHUT_WR)
            except OSError:
                self._connection.broken = True
        if self._connection.broken:
            self._connection.reset()
        else:
            self._connection.pump_over()

    def _set_alarm(self, now: float, pause: float) -> None:
        """Settle again when bytes may be read, or the first chunk is due, whichever is first."""
        at = now + pause if pause else None
        if self._queue and not self._blocked and not self.lane.cut:
            due = max(self._queue[0].due, now + self.lane.stalled(now))
            at = due if at is None else min(at, due)
        if self._alarm is not None:
            if self._alarm.at == at:
                return
            self._alarm.cancel()
        self._alarm = self._loop.at(at, self._wake) if at is not None else None

    def _wake(self) -> None:
        self._alarm = None
        self.settle(monotonic())

    def _hold(self, more: int) -> None:
        self._held += more
        self.lane.held += more

    def _clear(self) -> None:
        self._queue.clear()
        self._hold(-self._held)
        self._blocked = False
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._loop.on_readable(self.source, None)
        self._loop.on_writable(self.sink, None)


class Connection:
    """A downstream joined to its upstream until both directions have ended, or either failed."""

    def __init__(
        self,
        loop: Loop,
        near: socket.socket,
        far: socket.socket,
        lanes: tuple[Lane, Lane],
        gone: Callable[[Connection], None],
    ) -> None:
        """lanes are those of the WAL (far to near) and of the replies; gone is told of the end."""
        self.loop = loop
        self.broken = False  # either side failed: what is left is delivered, then both are reset
        self._lossy = False  # bytes of its streams were dropped: they cannot go on
        self._sockets = (near, far)
        self._gone = gone
        self._pumps = (Pump(self, far, near, lanes[0]), Pump(self, near, far, lanes[1]))
        self._ended = self._which_ended() if any(lane.cut for lane in lanes) else None  # when the cut began
        self.settle()

    def settle(self) -> None:
        """Begin, or go on under changed conditions."""
        now = monotonic()
        for pump in self._pumps:
            pump.fit()
            pump.settle(now)

    def cut(self, lanes: set[Lane], whole: bool) -> None:
        """Those lanes have just been cut; whole: now both are, and not even the kernel may send on."""
        self._ended = self._ended or self._which_ended()
        for pump in self._pumps:
            if pump.lane in lanes:
                self._lossy |= pump.cut_off()
            if whole:
                self._lossy |= pump.hold_back()

    def heal(self) -> None:
        """A cut is over: go on, or reset when the streams cannot be continued or an end is gone."""
        stale = self._lossy or self.broken or self._which_ended() != self._ended
        if stale:
            self.reset()
        elif not any(pump.lane.cut for pump in self._pumps):
            self._ended = None

    def pump_over(self) -> None:
        """One of the pumps has ended."""
        if any(pump.lane.cut for pump in self._pumps):
            return  # not before the cut is over: the other end must not learn of it
        if all(pump.over for pump in self._pumps):
            self._close(relay_sockets.reset if self.broken else socket.socket.close)

    def reset(self) -> None:
        """End both sides at once, with a reset."""
        self._close(relay_sockets.reset)

    def _which_ended(self) -> tuple[bool, ...]:
        return tuple(relay_sockets.ended(sock) for sock in self._sockets)

    def _close(self, close: Callable[[socket.socket], None]) -> None:
        for pump in self._pumps:
            pump.stop()
        for sock in self._sockets:
            self.loop.forget(sock)
            close(sock)
        self._gone(self)
