"""Labs come and go: nothing gathers on the machine or in the engine.

PGREPLTERM_ROUNDS=50 is the long run; one round is enough to see a leak that every round leaves.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from statistics import median

import pytest

from pgreplterm.lab.backend import Kind
from pgreplterm.lab.build import LabSpec
from pgreplterm.lab.lab import up
from pgreplterm.lab.process import wait_until
from tests.docker.inventory import inventory
from tests.lab.footprint import Footprint

ROUNDS = int(os.environ.get("PGREPLTERM_ROUNDS", "1"))


def test_rounds_of_up_and_down_leave_nothing(backend: Kind, lab_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"r{os.getpid()}"
    seconds = []
    if backend is Kind.DOCKER:
        up(LabSpec(name=name, standbys=0, backend=backend)).down()  # the image, where one has to be built, is kept
    machine, engine = Footprint(), inventory() if backend is Kind.DOCKER else frozenset()
    folders = _temporary_folders()
    for _ in range(ROUNDS):
        begun = time.monotonic()
        lab = up(LabSpec(name=name, standbys=2, backend=backend))
        seconds.append(time.monotonic() - begun)
        directory = lab.directory
        lab.down()
        machine.assert_nothing_left(directory)
    with capsys.disabled():
        print(f"\n{backend}: {ROUNDS} rounds, up takes {median(seconds):.2f} s (most {max(seconds):.2f} s)")
    if backend is Kind.DOCKER:
        staying = set(inventory() - engine)

        def none_stays() -> bool:  # what tests beside this one make in the same engine goes with them
            staying.intersection_update(inventory() - engine)
            return not staying

        assert wait_until(none_stays, 60, pause=0.5), f"left behind: {sorted(staying)}"
    assert not {folder for folder in _temporary_folders() - folders if folder.startswith("pgreplterm-lab")}


def _temporary_folders() -> frozenset[str]:
    return frozenset(entry.name for entry in Path(tempfile.gettempdir()).iterdir())
