"""Labs that outlive a fault, and the table of what every fault did."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pgreplterm.lab.backend import Kind as Backend
from pgreplterm.lab.faults import registry
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.places import ENVIRONMENT_VARIABLE
from tests.conftest import MakeLab, _maker
from tests.docker.engines import require_engine
from tests.faults.harness import Site, Standing, prepare, standing
from tests.wal.servers import require_bin

ROW = "fault row"
_BACKENDS = [Backend(word) for word in os.environ.get("PGREPLTERM_FAULT_BACKENDS", "local").split()]
_MAJOR = os.environ.get("PGREPLTERM_FAULT_MAJOR")
_TABLE = os.environ.get("PGREPLTERM_FAULT_TABLE")
_rows: list[tuple[str, ...]] = []


@pytest.fixture(scope="module", params=_BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Where the servers run."""
    if request.param is Backend.DOCKER:
        require_engine()
    return Backend(request.param)


class Kind(StrEnum):
    """What a lab has to be like for a fault."""

    PLAIN = "plain"
    FAILED_OVER = "failed over"  # pg2 is primary, pg3 follows it, and pg1 is down as it was
    ON_DISK = "on disk"  # its files are not in memory


class Reused:
    """One lab of each kind for many faults: a new one only after a test that failed."""

    def __init__(self, make: MakeLab, disk: Path) -> None:
        self._make = make
        self._disk = disk
        self._kept: dict[Kind, tuple[Lab, Standing]] = {}

    def take(self, kind: Kind = Kind.PLAIN) -> tuple[Lab, Standing]:
        """The lab and what it is like; whoever takes it gives it back when it is so again."""
        if kind in self._kept:
            return self._kept.pop(kind)
        lab = self._on_disk() if kind is Kind.ON_DISK else self._built()
        prepare(lab)
        if kind is Kind.FAILED_OVER:
            lab.kill("pg1")
            lab.promote("pg2")
            lab.repoint("pg3", "pg2")
        return lab, standing(lab)

    def give_back(self, lab: Lab, before: Standing, kind: Kind = Kind.PLAIN) -> None:
        """It is equal to before."""
        self._kept[kind] = lab, before

    def _on_disk(self) -> Lab:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(ENVIRONMENT_VARIABLE, str(self._disk))
            return self._built()

    def _built(self) -> Lab:
        return self._make() if _MAJOR is None else self._make(pg_bin=require_bin(int(_MAJOR)))


@pytest.fixture(scope="module")
def reused(lab_root: Path, backend: Backend) -> Iterator[Reused]:
    """Labs of pg1, pg2, pg3 with rows in them."""
    with TemporaryDirectory(prefix="pgreplterm-test-", dir="/var/tmp") as disk:
        Path(disk).chmod(0o711)
        for make in _maker(backend):
            yield Reused(make, Path(disk))


@pytest.fixture(scope="module")
def site(lab_root: Path) -> Iterator[Site]:
    """pg1, its standby pg2, and pg3 that streams from pg2, with small segments."""
    for make in _maker():
        lab = make(standbys=1, cascades=1, segment_size=1)
        prepare(lab)
        yield lab, standing(lab)


@pytest.fixture
def add_row(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Put a row into the table of faults."""
    return lambda *cells: record_property(ROW, cells)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Also in the process that gathers what several others tested."""
    if report.when == "call":
        _rows.extend(tuple(map(str, cells)) for name, cells in report.user_properties if name == ROW)  # type: ignore[call-overload]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the table where PGREPLTERM_FAULT_TABLE says."""
    if _TABLE is None or not _rows or hasattr(session.config, "workerinput"):
        return
    headings = ("fault", "backend", "at", "effect", "seen after", "healed in", "what the sampler saw")
    lines = [headings, tuple("---" for _ in headings), *sorted(_rows, key=_place)]
    text = "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)
    Path(_TABLE).write_text(text, encoding="utf-8")


def _place(row: tuple[str, ...]) -> tuple[int, str, str]:
    """Faults as they are listed, each on one backend after the other."""
    return [fault.name for fault in registry.ALL].index(row[0]), row[1], row[2]
