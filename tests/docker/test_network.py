"""A node that was taken off the replication network has no other way to its upstream."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pgreplterm.lab.backend import Kind
from pgreplterm.lab.build import LabSpec
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import engine
from pgreplterm.lab.lab import Lab, up
from pgreplterm.lab.process import wait_until
from tests.docker.engines import require_engine

PATIENCE = 30.0
ATTEMPTS = 5
"""Times the walreceiver tries again while it is watched: it would stream within one of them if there were a way."""


@pytest.fixture(scope="module")
def lab(lab_root: Path) -> Iterator[Lab]:
    require_engine()
    made = up(LabSpec(name=f"n{os.getpid()}", standbys=1, backend=Kind.DOCKER))
    made.start_load(100)
    yield made
    made.down()


def received(lab: Lab) -> str | None:
    with psycopg.connect(lab.dsn("pg2")) as link:
        row = link.execute("SELECT pg_last_wal_receive_lsn()::text").fetchone()
    return row[0] if row else None


def is_streaming(lab: Lab) -> bool:
    with psycopg.connect(lab.dsn("pg1")) as link:
        row = link.execute("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'").fetchone()
    return row == (1,)


def assert_apart(lab: Lab) -> None:
    """Nothing streams, and no WAL arrives, over several attempts to connect."""
    assert wait_until(lambda: not is_streaming(lab), PATIENCE)
    before, deadline = received(lab), time.monotonic() + ATTEMPTS
    while time.monotonic() < deadline:
        assert not is_streaming(lab)
        assert received(lab) == before
        time.sleep(0.1)


@pytest.mark.parametrize(("name", "options"), [("network-disconnect", {}), ("packets-dropped", {"direction": 1.0})])
def test_apart_means_apart_until_it_is_healed(lab: Lab, name: str, options: dict[str, float]) -> None:
    injected = engine.inject(lab, name, "pg2", options, None, lambda _: None)
    assert_apart(lab)
    with pytest.raises(LabError, match=r"pg2 (already )?has the fault"):
        engine.inject(lab, "network-disconnect", "pg2", {}, None, lambda _: None)
    if name == "network-disconnect":
        lab.kill("pg2")
        lab.start("pg2")  # with a network of its own again, and the same lack of one
        assert_apart(lab)
    assert engine.heal(lab, [injected.number], lambda _: None).errors == ()
    lab.wait_streaming("pg2")
    assert wait_until(lambda: is_streaming(lab), PATIENCE)
