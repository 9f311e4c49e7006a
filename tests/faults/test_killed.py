"""The program killed at random moments of a fault: `lab heal` makes everything as before, `lab down` leaves nothing."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import psycopg

from pgreplterm.lab import process
from pgreplterm.lab.backend import Kind as Backend
from pgreplterm.lab.faults import registry
from pgreplterm.lab.lab import Lab
from tests.conftest import _maker
from tests.docker.inventory import inventory
from tests.faults.harness import Standing, assert_equal_to_before, prepare, primary, standing
from tests.faults.test_every_fault import available_target
from tests.lab.commands import command, environment, run
from tests.lab.footprint import Footprint

ROUNDS = int(os.environ.get("PGREPLTERM_KILL_ROUNDS", "4"))
SEED = int(os.environ.get("PGREPLTERM_KILL_SEED", random.SystemRandom().randrange(1_000_000)))
LONGEST = 2.5
"""Seconds until the kill: past the injection of most faults, and past the start of healing those that are held."""


def test_a_killed_program_loses_nothing_and_leaves_nothing(lab_root: Path, backend: Backend) -> None:
    dice = random.Random(SEED)
    before = Footprint()
    for make in _maker(backend):
        lab = make()
        prepare(lab)
        was = standing(lab)
        for number in range(1, ROUNDS + 1):
            row = _commit(lab, dice)
            what = f"seed {SEED}, round {number}: {_round(lab_root, lab, dice)}"
            healed = run(lab_root, "lab", "heal", lab.name)
            assert healed.returncode == 0, f"{what}\n{healed.stdout}\n{healed.stderr}"
            _assert_as_before(lab, was, row, what)
        what = _round(lab_root, lab, dice)
        gone = run(lab_root, "lab", "down", lab.name)
        assert gone.returncode == 0, f"{what}\n{gone.stderr}"
        process.reap()  # what was ended by another program than the one that started it
        before.assert_nothing_left(lab.directory)
        if backend is Backend.DOCKER:
            assert [each for each in inventory() if lab.name in each] == []


def _commit(lab: Lab, dice: random.Random) -> int:
    """A row that was committed before the kill is there after it, wherever the program was."""
    row = dice.randrange(1 << 40)
    with psycopg.connect(lab.dsn(primary(lab)), autocommit=True) as link:
        link.execute("CREATE TABLE IF NOT EXISTS kept (id bigint)")
        link.execute("INSERT INTO kept VALUES (%s)", [row])
    return row


def _round(lab_root: Path, lab: Lab, dice: random.Random) -> str:
    """Kill the program while it injects, holds or heals some fault; what was done, in words."""
    target = None
    while target is None:
        fault = dice.choice(registry.ALL)
        target, _ = available_target(lab, fault, dice.choice(["pg1", "pg2", "pg3"]))
    inject = ["inject", fault.name, target, "--lab", lab.name]
    how = dice.choice(["injecting", "holding", "healing"])
    if how == "holding":
        inject += ["--for", f"{dice.uniform(0.2, 1.0):.2f}"]
    after = dice.uniform(0.2, LONGEST)
    if how == "healing":
        injected = run(lab_root, "fault", *inject)
        assert injected.returncode == 0, injected.stderr
        after = dice.uniform(0.2, LONGEST / 2)
        _killed_after(lab_root, ["heal", "--all", "--lab", lab.name], after)
    else:
        _killed_after(lab_root, inject, after)
    what = f"pgreplterm fault {' '.join(inject)}, {how}, killed after {after:.2f} s"
    print(what, flush=True)
    return what


def _killed_after(lab_root: Path, words: list[str], seconds: float) -> None:
    program = subprocess.Popen(
        command("fault", *words),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(lab_root),
        cwd="/",
        start_new_session=True,
    )
    try:
        program.wait(seconds)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


def _assert_as_before(lab: Lab, was: Standing, row: int, what: str) -> None:
    try:
        assert_equal_to_before(lab, was)
        for node in lab.nodes:
            with psycopg.connect(lab.dsn(node.name)) as link:
                assert link.execute("SELECT count(*) FROM kept WHERE id = %s", [row]).fetchone() == (1,)
    except (AssertionError, psycopg.Error) as error:
        raise AssertionError(f"{what}: {error}") from error
