"""Fixtures for tests on real servers: labs of their own, in a lab root of their own, gone afterwards."""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pgreplterm.lab import ports
from pgreplterm.lab.backend import Kind
from pgreplterm.lab.lab import Lab, LabSpec, up
from pgreplterm.lab.places import ENVIRONMENT_VARIABLE, SHARED_MEMORY
from tests.docker.engines import require_engine
from tests.wal import corpora

MakeLab = Callable[..., Lab]

# A suite started in the background inherits an ignored SIGINT, and so would every program it interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

_numbers = itertools.count(1)


def _ports_of_worker() -> str:
    """A range of its own for each process of a parallel run: none may take the port of another's stopped node."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
    return f"{15000 + number * 2000}-{16999 + number * 2000}"


os.environ[ports.ENVIRONMENT_VARIABLE] = _ports_of_worker()


def pytest_configure(config: pytest.Config) -> None:
    """What all processes of a run share is begun by the one that starts the others."""
    if not hasattr(config, "workerinput"):
        corpora.begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    """And ended by it."""
    if not hasattr(config, "workerinput"):
        corpora.end()


@pytest.fixture(scope="session")
def lab_root() -> Iterator[Path]:
    """A lab root that no lab of the user's own shares; memory-backed where there is one."""
    parent = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    root = Path(tempfile.mkdtemp(prefix="pgreplterm-test-", dir=parent))
    root.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENVIRONMENT_VARIABLE, str(root))
        yield root
    if root.exists():
        root.rmdir()  # a test that leaves a lab behind fails here


def _maker(backend: Kind = Kind.LOCAL) -> Iterator[MakeLab]:
    made: list[Lab] = []

    def make(standbys: int = 2, cascades: int = 0, **spec: object) -> Lab:
        name = f"t{os.getpid()}-{next(_numbers)}"  # containers of parallel runs share one engine
        lab = up(LabSpec(name=name, standbys=standbys, cascades=cascades, backend=backend, **spec))  # type: ignore[arg-type]
        made.append(lab)
        return lab

    yield make
    for lab in made:
        if lab.directory.exists():
            lab.down()


@pytest.fixture
def make_lab(lab_root: Path) -> Iterator[MakeLab]:
    """Build labs: make_lab(standbys=2, cascades=1, pg_bin=..., segment_size=1)."""
    yield from _maker()


@pytest.fixture(params=list(Kind))
def backend(request: pytest.FixtureRequest) -> Kind:
    """Both backends in turn, for tests that are to hold on each."""
    if request.param is Kind.DOCKER:
        require_engine()
    return Kind(request.param)


@pytest.fixture
def make_lab_on(backend: Kind, lab_root: Path) -> Iterator[MakeLab]:
    """Build labs as make_lab does, on the backend under test."""
    yield from _maker(backend)


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    """A fresh lab of pg1 (primary), pg2 and pg3, for a test that breaks things."""
    return make_lab()


@pytest.fixture(scope="module")
def shared_lab(lab_root: Path) -> Iterator[Lab]:
    """One lab of pg1, pg2, pg3 and the cascade pg4 for all tests of a module that only look."""
    for make in _maker():
        yield make(standbys=2, cascades=1)
