"""The relay carries bytes both ways, holds few of them, and changes edges only when told."""

from __future__ import annotations

import json
import socket
import struct
from contextlib import suppress
from pathlib import Path

import pytest

from pgreplterm.lab import linkage, links, process
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.link_condition import Flow, LinkCondition
from pgreplterm.lab.links import Edge
from pgreplterm.lab.ports import is_free
from pgreplterm.lab.process import wait_until
from pgreplterm.lab.relay_lane import GOOD_BUFFER
from tests.lab.relaying import PATIENCE, Wired, dial, document, exactly, exchange, fill, free_port, join, wired

RESET = struct.pack("ii", 1, 0)


def test_a_half_close_stays_half(wire: Wired) -> None:
    ends = join(*wire)
    sent = bytes(range(256)) * 4096
    ends.up.setblocking(False)  # the test is both ends: what the relay holds back must not block it
    received = bytearray()
    ends.down.settimeout(0.01)
    at = 0
    while at < len(sent):
        with suppress(TimeoutError):
            at += ends.down.send(sent[at : at + 65536])
        received += _available(ends.up)
    ends.down.shutdown(socket.SHUT_WR)
    ends.up.settimeout(PATIENCE)
    ends.down.settimeout(PATIENCE)
    received += exactly(ends.up, len(sent) + 1 - len(received))  # ends only when the half-close arrives
    assert received == sent
    ends.up.sendall(b"still open")
    assert exactly(ends.down, 10) == b"still open"
    ends.up.close()
    assert exactly(ends.down, 1) == b""
    ends.close()
    assert wait_until(lambda: wire[0].measured().connections == 0, PATIENCE)


def _available(sock: socket.socket) -> bytes:
    try:
        return sock.recv(1 << 20)
    except BlockingIOError:
        return b""


def test_a_reader_that_stops_holds_the_sender_back(wire: Wired) -> None:
    ends = join(*wire)
    ends.up.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, GOOD_BUFFER)
    ends.down.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, GOOD_BUFFER)
    # both sockets of the relay, what it holds itself, ours; the kernel doubles each and may have begun with more
    assert fill(ends.down) < 16 * GOOD_BUFFER
    ends.close()


def test_what_was_sent_before_a_reset_still_arrives_and_then_the_reset(wire: Wired) -> None:
    ends = join(*wire)
    ends.up.sendall(b"last words")
    ends.up.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    ends.up.close()
    assert exactly(ends.down, 10) == b"last words"
    with pytest.raises(ConnectionResetError):
        ends.down.recv(1)
    ends.close()


def test_a_downstream_that_resets_is_a_reset_for_the_upstream(wire: Wired) -> None:
    ends = join(*wire)
    ends.down.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    ends.down.close()
    with pytest.raises(ConnectionResetError):
        ends.up.recv(1)
    ends.close()


def test_an_upstream_that_is_down_is_a_reset(wire: Wired) -> None:
    relay = wire[0]
    dead = Edge("pg3", "pg1", free_port(), free_port())
    relay.serve(relay.known.with_edge(dead))
    with socket.socket() as sock, pytest.raises(ConnectionResetError):
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", dead.listen))  # the reset may be there before this returns
        sock.recv(1)
    relay.serve(relay.known.without([dead]))
    assert is_free(dead.listen)


def test_removing_an_edge_resets_its_connections_and_no_others(wire: Wired) -> None:
    relay, server = wire
    kept = join(relay, server)
    other = Edge("pg3", "pg1", free_port(), relay.edge.target_port)
    relay.serve(relay.known.with_edge(other))
    with socket.create_connection(("127.0.0.1", other.listen), PATIENCE) as sock:
        up, _ = server.accept()
        sock.sendall(b"x")
        assert exactly(up, 1) == b"x"
        relay.serve(relay.known.without([other]))
        for end in (sock, up):
            with pytest.raises(ConnectionResetError):
                end.recv(1)
        up.close()
    exchange(kept)
    kept.close()


def test_the_figures_are_what_went_through(wire: Wired) -> None:
    relay, server = wire
    before = relay.measured()
    ends = join(relay, server)
    ends.up.sendall(bytes(50_000))
    assert len(exactly(ends.down, 50_000)) == 50_000
    during = relay.measured()
    assert during.connections == before.connections + 1
    assert during.wal.carried - before.wal.carried == 50_004
    assert during.replies.carried - before.replies.carried == 4
    assert during.wal.rate > 0
    assert during.wal.delay is not None
    assert during.wal.most_delay is not None
    assert 0 <= during.wal.delay <= during.wal.most_delay < PATIENCE
    assert (during.wal.dropped, during.replies.dropped) == (before.wal.dropped, before.replies.dropped)
    ends.close()
    assert wait_until(lambda: relay.measured().connections == before.connections, PATIENCE)
    assert wait_until(
        lambda: relay.measured().wal.delay is None, PATIENCE, pause=0.2
    )  # nothing came: no figure, and not a delay of 0


def test_figures_are_written_while_they_change_and_not_otherwise(wire: Wired) -> None:
    relay, server = wire
    ends = join(relay, server)
    file = relay.directory / f"{links.FILE_NAME}.measured"

    def carried() -> int:
        found = linkage.measured(relay.directory)
        return found.edges["pg2<-pg1"].wal.carried if found else 0

    before = relay.measured().wal.carried
    ends.up.sendall(b"x")
    assert wait_until(lambda: carried() == before + 1, PATIENCE, pause=0.02)  # by itself, within a second
    ends.close()
    written = 0.0

    def quiet() -> bool:
        nonlocal written
        before, written = written, file.stat().st_mtime
        return before == written

    assert wait_until(quiet, PATIENCE, pause=1.3)


def test_nothing_is_measured_where_no_relay_has_run(tmp_path: Path) -> None:
    assert linkage.measured(tmp_path) is None
    (tmp_path / "links.json.measured").write_text("{")
    with pytest.raises(LabError, match=r"links\.json\.measured cannot be read"):
        linkage.measured(tmp_path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("{", "must be JSON"),
        ("[]", "serial must be of type int: found null"),
        ({"edges": None}, "edges must be of type list: found null"),
        ({"edges": ["x"]}, "edge 1: name must be of type str"),
        ({"listen": "5432"}, 'edge 1 .pg2<-pg1.: listen must be of type int: found "5432"'),
        ({"listen": 99999}, "listen must be a port from 1 to 65535: found 99999"),
        ({"target_host": None}, "target_host must be of type str"),
        ({"condition": {"wal": {"latency": -1}}}, "wal.latency must be a number of seconds from 0 to 60: found -1"),
        ({"condition": {"walk": {}}}, 'a link condition has refuse, replies, wal and no "walk"'),
    ],
)
def test_a_links_file_it_cannot_use_is_answered_and_changes_nothing(
    wire: Wired, change: str | dict[str, object], complaint: str
) -> None:
    relay, server = wire
    ends = join(relay, server)
    good = document(relay)
    if isinstance(change, dict):
        changed = dict(good)
        if "edges" in change:
            changed.update(change)
        else:
            edges: list[dict[str, object]] = good["edges"]  # type: ignore[assignment]
            changed["edges"] = [{**edges[0], **change}]
        change = json.dumps(changed)
    file = relay.directory / links.FILE_NAME
    file.write_text(change)
    with pytest.raises(LabError, match=f"the relay changed nothing: .*links.json.*{complaint}"):
        links.reload_relay(relay.directory, relay.relay, relay.known.serial)
    exchange(ends)
    file.write_text(json.dumps(good))
    links.reload_relay(relay.directory, relay.relay, relay.known.serial)
    ends.close()


def test_a_taken_port_is_reported_and_the_other_edges_are_served(tmp_path: Path) -> None:
    with wired(tmp_path) as (wire, server), socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LabError, match=f"the relay cannot serve the edge pg4<-pg3: port {port}: .* in use"):
            wire.serve(wire.known.with_edge(Edge("pg4", "pg3", port, 1)))
        join(wire, server).close()


def test_the_process_ends_with_its_file_and_lets_the_port_go(tmp_path: Path) -> None:
    with wired(tmp_path) as (wire, server):
        ends = join(wire, server)
        port = wire.edge.listen
        assert not is_free(port)
    with pytest.raises(ConnectionResetError):
        ends.down.recv(1)
    ends.close()
    assert is_free(port)


def test_a_relay_that_is_killed_and_started_again_serves_what_the_file_says(tmp_path: Path) -> None:
    with wired(tmp_path) as (wire, server):
        wire.set(LinkCondition.both(Flow(latency=0.05)))
        found = process.find(wire.relay)
        assert found is not None
        found.kill()
        assert wait_until(lambda: not process.is_running(wire.relay), PATIENCE)
        wire.relay = links.start_relay(tmp_path)
        links.await_relay(tmp_path, wire.relay, wire.known.serial)
        ends = join(wire, server)
        assert exchange(ends) >= 0.1
        ends.close()
        wire.set(LinkCondition(refuse=True))
        with pytest.raises(ConnectionRefusedError):
            dial(wire)
