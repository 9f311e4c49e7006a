"""The ports that labs take: within a range, and none that another lab has written down."""

from __future__ import annotations

import socket

import pytest

from pgreplterm.lab import ports
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.ports import Reservation
from tests.conftest import MakeLab


def test_only_ports_of_the_range_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ports.ENVIRONMENT_VARIABLE, " 14000 - 14002 ")
    held = Reservation(3)
    assert sorted(held.ports) == [14000, 14001, 14002]
    with pytest.raises(LabError, match="a lab needs 1 free ports between 14000 and 14002"):
        Reservation(1)
    held.release()
    Reservation(3).release()


@pytest.mark.parametrize("text", ["x", "15000", "16000-15000", "80-90", "15000-70000", "-1-5"])
def test_what_is_no_range_is_said(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ports.ENVIRONMENT_VARIABLE, text)
    with pytest.raises(LabError, match=f"expected the first and the last port a lab may use.*found '{text}'"):
        Reservation(1)


def test_the_ports_of_a_stopped_lab_are_left_to_it(make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make_lab(standbys=1)
    lab.stop("pg2")
    stopped = next(node.port for node in lab.nodes if node.name == "pg2")
    assert ports.is_free(stopped)
    monkeypatch.setenv(ports.ENVIRONMENT_VARIABLE, f"{stopped}-{stopped}")
    with pytest.raises(LabError, match=f"a lab needs 1 free ports between {stopped}"):
        Reservation(1)


def test_a_port_that_is_let_go_at_once_counts_as_free() -> None:
    held = Reservation(1)
    [port] = held.ports
    assert not ports.is_free(port)
    held.release()
    assert ports.becomes_free(port)


def test_a_port_that_stays_taken_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not ports.becomes_free(taken.getsockname()[1])
