"""What each condition of a link does to a connection, seen from plain sockets at both ends."""

from __future__ import annotations

import fcntl
import random
import socket
import struct
import sys
import termios
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from pgreplterm.lab.link_condition import CLEAR, PARTITION, Flow, LinkCondition, Stall
from pgreplterm.lab.ports import is_free
from pgreplterm.lab.process import wait_until
from tests.lab.relaying import PATIENCE, Ends, Wired, dial, drained, exactly, exchange, fill, join, silence

CUT = Flow(cut=True)


@pytest.fixture
def ends(wire: Wired) -> Iterator[Ends]:
    """One connection through it."""
    both = join(*wire)
    yield both
    both.close()


def waiting(sock: socket.socket) -> int:
    """Bytes that have arrived and were not read."""
    return int(struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4)))[0])


def assert_reset(*ends: socket.socket) -> None:
    for end in ends:
        with pytest.raises(ConnectionResetError):
            end.recv(1)


def test_a_cut_with_nothing_on_the_way_is_a_blip_and_the_connection_goes_on(wire: Wired, ends: Ends) -> None:
    relay, _ = wire
    relay.set(PARTITION)
    before = relay.measured()
    ends.up.sendall(b"after the cut")
    ends.down.sendall(b"from below")
    assert silence(ends.down)
    assert silence(ends.up)
    during = relay.measured()
    assert (during.connections, during.wal.rate, during.replies.rate) == (1, 0, 0)
    assert (during.wal.carried, during.wal.dropped) == (before.wal.carried, before.wal.dropped)
    relay.set(CLEAR)
    assert exactly(ends.down, 13) == b"after the cut"
    assert exactly(ends.up, 10) == b"from below"
    exchange(ends)


def test_what_is_on_the_way_when_a_cut_comes_is_dropped_and_the_connection_is_not_continued(
    wire: Wired, ends: Ends
) -> None:
    relay, _ = wire
    relay.set(LinkCondition.both(Flow(latency=30)))
    before = relay.measured()
    ends.up.sendall(b"on the way")
    assert wait_until(lambda: relay.measured().wal.held == 10, PATIENCE)
    relay.set(PARTITION)
    after = relay.measured()
    assert (after.wal.held, after.wal.dropped - before.wal.dropped) == (0, 10)
    assert after.wal.carried == before.wal.carried
    assert silence(ends.down)
    relay.set(CLEAR)
    assert_reset(ends.down, ends.up)


@pytest.mark.skipif(sys.platform != "linux", reason="no other kernel says what it holds, or can be kept from it")
def test_after_a_cut_under_load_not_even_what_the_kernel_holds_sneaks_through(wire: Wired, ends: Ends) -> None:
    relay, _ = wire
    before = relay.measured()
    fill(ends.up)  # the downstream reads nothing: every buffer is full
    relay.set(PARTITION)
    there = waiting(ends.down)
    after = relay.measured()
    assert drained(ends.down) == there == after.wal.carried - before.wal.carried
    assert after.wal.dropped > before.wal.dropped
    assert relay.measured().wal.carried == after.wal.carried
    relay.set(CLEAR)
    assert_reset(ends.down)
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        while True:
            ends.up.send(b"x")


def test_a_cut_of_the_wal_lets_replies_through(wire: Wired, ends: Ends) -> None:
    relay, _ = wire
    relay.set(LinkCondition(wal=CUT))
    ends.up.sendall(b"wal")
    ends.down.sendall(b"reply")
    assert exactly(ends.up, 5) == b"reply"
    assert silence(ends.down)
    relay.set(CLEAR)
    assert exactly(ends.down, 3) == b"wal"


def test_a_cut_of_the_replies_lets_wal_through(wire: Wired, ends: Ends) -> None:
    relay, _ = wire
    relay.set(LinkCondition(replies=CUT))
    ends.up.sendall(b"wal")
    ends.down.sendall(b"reply")
    assert exactly(ends.down, 3) == b"wal"
    assert silence(ends.up)
    relay.set(CLEAR)
    assert exactly(ends.up, 5) == b"reply"


@pytest.mark.parametrize("gone", ["down", "up"])
def test_an_end_that_left_during_a_cut_is_told_to_the_other_when_the_cut_is_over(
    wire: Wired, ends: Ends, gone: str
) -> None:
    relay, _ = wire
    relay.set(PARTITION)
    leaving, staying = (ends.down, ends.up) if gone == "down" else (ends.up, ends.down)
    leaving.sendall(b"stale")
    leaving.close()
    assert silence(staying)
    relay.set(CLEAR)
    assert_reset(staying)  # and not the stale bytes


def test_a_half_close_before_a_cut_survives_it(wire: Wired, ends: Ends) -> None:
    relay, _ = wire
    ends.down.shutdown(socket.SHUT_WR)
    assert exactly(ends.up, 1) == b""
    relay.set(PARTITION)
    ends.up.sendall(b"late")
    relay.set(CLEAR)
    assert exactly(ends.down, 4) == b"late"


def test_who_connects_during_a_cut_waits_for_its_end(wire: Wired) -> None:
    relay, server = wire
    relay.set(LinkCondition(replies=CUT))
    down = dial(relay)
    down.sendall(b"hello")
    server.settimeout(0.3)
    with pytest.raises(TimeoutError):
        server.accept()
    server.settimeout(PATIENCE)
    relay.set(CLEAR)
    up, _ = server.accept()
    assert exactly(up, 5) == b"hello"
    Ends(down, up).close()


def test_refuse_resets_what_there_is_and_keeps_the_port(wire: Wired, ends: Ends) -> None:
    relay, server = wire
    relay.set(LinkCondition(refuse=True))
    assert_reset(ends.down, ends.up)
    with pytest.raises(ConnectionRefusedError):
        dial(relay)
    with socket.socket() as thief, pytest.raises(OSError, match="in use"):
        thief.bind(("127.0.0.1", relay.edge.listen))
    relay.set(LinkCondition(refuse=True, wal=Flow(latency=0.01)))
    relay.set(CLEAR)
    join(relay, server).close()
    assert not is_free(relay.edge.listen)


def test_a_reset_ends_what_there_is_once(wire: Wired, ends: Ends) -> None:
    relay, server = wire
    relay.reset()
    assert_reset(ends.down, ends.up)
    again = join(relay, server)
    relay.set(CLEAR)
    exchange(again)
    again.close()


def test_latency_is_added_once_a_direction_and_chunks_overlap(wire: Wired, ends: Ends) -> None:
    relay, _ = wire
    relay.set(LinkCondition(wal=Flow(latency=0.25), replies=Flow(latency=0.05)))
    assert exchange(ends) >= 0.3
    begun = time.monotonic()
    for _ in range(20):
        ends.up.sendall(b"x")
        time.sleep(0.002)  # so that they are chunks of their own
    assert exactly(ends.down, 20) == b"x" * 20
    assert 0.25 <= time.monotonic() - begun < 20 * 0.25 / 2  # one after the other they would take 5 s
    found = relay.measured()
    assert found.wal.delay is not None
    assert found.wal.delay >= 0.25


def test_jitter_varies_the_delay_and_keeps_the_order(wire: Wired, ends: Ends) -> None:
    relay, _ = wire
    relay.set(LinkCondition(wal=Flow(latency=0.02, jitter=0.02)))
    sent = bytes(range(100))
    took = []
    for number in range(0, 100, 10):
        begun = time.monotonic()
        for byte in sent[number : number + 10]:
            ends.up.sendall(bytes([byte]))
        assert exactly(ends.down, 10) == sent[number : number + 10]
        took.append(time.monotonic() - begun)
    assert max(took) - min(took) > 0.001


def test_a_long_line_carries_many_buffers_at_once(wire: Wired, ends: Ends) -> None:
    relay, _ = wire
    relay.set(LinkCondition(wal=Flow(latency=0.2)))
    ends.down.settimeout(0.01)
    ends.up.settimeout(0.01)
    begun, sent, got, size = time.monotonic(), 0, 0, 4 << 20
    while got < size:
        try:
            sent += ends.up.send(bytes(min(65536, size - sent))) if sent < size else 0
            got += len(ends.down.recv(1 << 20))
        except TimeoutError:
            continue
    assert 0.2 <= time.monotonic() - begun < 32 * 0.2  # a buffer of 128 KiB at a time would take 6.4 s


def test_bandwidth_holds_the_rate_and_the_sender_back(wire: Wired, ends: Ends) -> None:
    relay, _ = wire
    rate = 1_000_000
    relay.set(LinkCondition(wal=Flow(bandwidth=rate)))
    begun, got = time.monotonic(), 0
    pushed = fill(ends.up, 0.05)
    assert pushed < 8 << 20
    while got < 600_000:
        got += len(ends.down.recv(65536))
    took = time.monotonic() - begun
    found = relay.measured()
    assert got / took < rate * 1.3  # at most 100 ms go at once at the beginning
    assert rate * 0.1 < found.wal.rate < rate * 1.3
    assert exchange_up(ends) < PATIENCE  # the other direction is not limited
    ends.up.close()


def exchange_up(ends: Ends) -> float:
    """Send a byte up; the seconds that took."""
    begun = time.monotonic()
    ends.down.sendall(b"x")
    assert exactly(ends.up, 1) == b"x"
    return time.monotonic() - begun


def test_a_very_narrow_link_still_carries(wire: Wired, ends: Ends) -> None:
    relay, _ = wire
    relay.set(LinkCondition(replies=Flow(bandwidth=20)))
    begun = time.monotonic()
    ends.down.sendall(b"0123456789")
    assert exactly(ends.up, 10) == b"0123456789"
    assert time.monotonic() - begun >= 0.3


def test_a_stall_holds_everything_and_loses_nothing(wire: Wired, ends: Ends) -> None:
    relay, _ = wire
    relay.set(LinkCondition(wal=Flow(stall=Stall(every=0.5, hold=0.25))))
    arrivals = []
    for number in range(120):
        ends.up.sendall(bytes([number]))
        assert exactly(ends.down, 1) == bytes([number])
        arrivals.append(time.monotonic())
        time.sleep(0.01)
    gaps = [after - before for before, after in pairwise(arrivals)]
    assert len([gap for gap in gaps if gap > 0.2]) >= 2
    assert len([gap for gap in gaps if gap < 0.1]) > 30


def test_a_connection_lives_through_every_change_that_ends_none(wire: Wired, ends: Ends) -> None:
    relay, _ = wire
    flows = [
        Flow(latency=0.02),
        Flow(bandwidth=100_000),
        Flow(stall=Stall(0.1, 0.05)),
        Flow(latency=0.02, jitter=0.01, bandwidth=50_000, stall=Stall(0.1, 0.05)),
        Flow(cut=True),
    ]
    for flow in flows:
        relay.set(LinkCondition.both(flow))
        if flow.cut:
            assert silence(ends.up)
        else:
            exchange(ends, b"0123456789" * 100)
        relay.set(CLEAR)
        exchange(ends)


def test_connections_of_one_edge_share_its_bandwidth(wire: Wired, ends: Ends) -> None:
    relay, server = wire
    other = join(relay, server)
    relay.set(LinkCondition(wal=Flow(bandwidth=400_000)))
    begun = time.monotonic()
    ends.up.sendall(bytes(100_000))
    other.up.sendall(bytes(100_000))
    assert len(exactly(ends.down, 100_000)) == len(exactly(other.down, 100_000)) == 100_000
    assert time.monotonic() - begun >= 0.35  # 0.5 s, less the 100 ms that may go at once
    other.close()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_to_a_link_a_stream_is_whole_or_reset(wire: Wired, ends: Ends, seed: int) -> None:
    relay, _ = wire
    choice = random.Random(seed)
    stop = threading.Event()
    sent, received, was_reset = bytearray(), bytearray(), False

    def write() -> None:
        try:
            for number in range(1 << 30):
                if stop.is_set():
                    break
                block = number.to_bytes(8, "big") * choice.choice((1, 100, 8000))
                ends.up.sendall(block)
                sent.extend(block)
            ends.up.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def read() -> None:
        nonlocal was_reset
        try:
            while part := ends.down.recv(1 << 16):
                received.extend(part)
        except OSError:
            was_reset = True

    ends.up.settimeout(None)
    ends.down.settimeout(None)
    threads = [threading.Thread(target=each) for each in (write, read)]
    for thread in threads:
        thread.start()
    flows = (Flow(), CUT, Flow(latency=0.02, jitter=0.02), Flow(bandwidth=3_000_000), Flow(stall=Stall(0.05, 0.03)))
    for _ in range(12):
        relay.set(LinkCondition(choice.choice(flows), choice.choice(flows)))
        time.sleep(choice.uniform(0, 0.05))
    relay.set(CLEAR)
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert sent.startswith(received[: len(sent)])  # a block being sent when the reset came is not in sent
    assert was_reset or received == sent
