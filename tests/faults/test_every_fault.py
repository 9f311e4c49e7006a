"""Every fault: injected, seen by a sampler that knows nothing of it, healed, and everything as it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pgreplterm.lab.backend import Kind as Backend
from pgreplterm.lab.faults import engine, registry
from pgreplterm.lab.faults.fault import Aim, Fault
from pgreplterm.lab.lab import Lab
from tests.docker.engines import require_engine
from tests.faults.conftest import Kind, Reused
from tests.faults.harness import Observer, assert_equal_to_before, heal_all
from tests.wal.servers import THOROUGH

LOAD = 200.0
"""Rows a second that are written meanwhile."""

STANDBY, PRIMARY = "pg2", "pg1"
BOTH_PLACES = {"kill", "freeze", "freeze-postmaster", "disk-full", "slow-disk"}
OTHERWISE_IN_CONTAINERS = ("process", "network", "disk_full")
"""Modules of faults that go another way there; the rest, SQL and files, is tried there with PGREPLTERM_THOROUGH=1."""

KINDS = {"old-primary-resurrected": Kind.FAILED_OVER, "slow-disk": Kind.ON_DISK}


@pytest.fixture(scope="module", params=list(Backend))
def backend(request: pytest.FixtureRequest) -> Backend:
    """Both, whatever the other tests of this folder run on."""
    if request.param is Backend.DOCKER:
        require_engine()
    return Backend(request.param)


def cases() -> list[tuple[str, str]]:
    """Each fault at a standby, or at its link; where it cannot be there, or shows more, at the primary."""
    found = []
    for fault in registry.ALL:
        found.append((fault.name, STANDBY))
        if fault.name in BOTH_PLACES:
            found.append((fault.name, PRIMARY))
    return found


@pytest.mark.parametrize(("name", "place"), cases())
def test_a_fault_is_seen_and_healed(
    reused: Reused, backend: Backend, add_row: Callable[..., None], name: str, place: str
) -> None:
    kind = KINDS.get(name, Kind.PLAIN)
    fault = registry.find(name)
    module = type(fault).__module__.rpartition(".")[2]
    if backend is Backend.DOCKER and not THOROUGH and module not in OTHERWISE_IN_CONTAINERS:
        pytest.skip("the same as locally: PGREPLTERM_THOROUGH=1 runs it")
    lab, before = reused.take(kind)
    target, reasons = available_target(lab, fault, place)
    if target is None:
        reused.give_back(lab, before, kind)
        add_row(name, backend.value, "-", fault.effect, "-", "-", f"cannot be here: {reasons}")
        pytest.skip(reasons)
    lab.start_load(LOAD)
    with Observer(lab) as observer:
        injected = engine.inject(lab, name, target, {}, None, lambda _: None)
        sight = observer.await_sight(injected)
        seconds = heal_all(lab)
        lab.stop_load()
    assert_equal_to_before(lab, before)
    assert fault.heal(lab, injected.order, injected.undo)  # once more changes nothing
    assert_equal_to_before(lab, before)
    reused.give_back(lab, before, kind)
    add_row(name, backend.value, target, fault.effect, f"{sight.seconds:.1f} s", f"{seconds:.1f} s", sight.evidence)


def available_target(lab: Lab, fault: Fault, place: str) -> tuple[str | None, str]:
    """The place, or another one where this fault can be injected; None where there is none, and why."""
    wanted = [edge.name for edge in lab.edges] if fault.aim is Aim.LINK else [node.name for node in lab.nodes]
    wanted.sort(key=lambda target: not target.startswith(place))
    reasons: dict[str, None] = {}  # each of them once
    for target in wanted:
        reason = fault.unavailable(lab, target)
        if reason is None:
            return target, ""
        reasons[reason] = None
    return None, "; ".join(reasons)
