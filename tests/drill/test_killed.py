"""The engine killed or aborted in the midst of drills: afterwards one primary, all streaming, and nothing is lost.

PGREPLTERM_THOROUGH=1 kills at every step of both drills, twice each, and the command and its terminal as well; else the
engine at a few steps that tell most. What becomes of the command otherwise is in ``test_engine``.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgreplterm.drill import mend
from pgreplterm.drill.engine.tell import abort
from pgreplterm.drill.runs import Run, runs
from pgreplterm.lab import helpers, server, surgery
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.process import wait_until
from tests.conftest import _maker
from tests.drill.engines import (
    Clients,
    assert_whole,
    await_end,
    await_event,
    begin,
    events_of,
    heal,
    kill,
    lost_by_report,
    named,
    starts,
    steps_of,
    timeline_of,
)
from tests.faults.harness import primary
from tests.lab.commands import command
from tests.tui.terminal import Terminal
from tests.wal.servers import THOROUGH

SEED = int(os.environ.get("PGREPLTERM_KILL_SEED", random.SystemRandom().randrange(1_000_000)))
LATER = 0.4
"""Seconds: the longest pause between the beginning of a step and the second kill in it."""

FEW = {"failover": ("kill primary", "rejoin"), "switchover": ("stop primary", "promote")}
ABORTED = {"failover": ("repoint",), "switchover": ("stop primary",)}


@pytest.fixture(scope="module")
def standing_lab(lab_root: Path) -> Iterator[Lab]:
    """One lab with a cascade for the whole module: every drill leaves it whole."""
    for make in _maker():
        yield make(standbys=2, cascades=1)


@pytest.mark.parametrize("synchronous", ["", "ANY 1 (*)"] if THOROUGH else [""], ids=lambda rule: rule or "async")
@pytest.mark.parametrize("kind", list(FEW))
def test_a_killed_engine_is_healed(standing_lab: Lab, tmp_path: Path, kind: str, synchronous: str) -> None:
    lab, dice = standing_lab, random.Random(SEED)
    lab.set_synchronous(synchronous)
    for step in steps_of(lab, kind) if THOROUGH else FEW[kind]:
        for later in (0.0, dice.uniform(0.0, LATER)) if THOROUGH else (dice.uniform(0.0, LATER / 4),):
            told = f"seed {SEED}: {kind} killed {later:.3f} s after the start of {step!r}"
            began, was, before, probes = time.monotonic(), primary(lab), timeline_of(lab), lab.state.probes
            run = begin(lab, kind, tmp_path)
            await_event(run, starts(step))
            time.sleep(later)
            kill(run)
            heal(lab)
            _assert_healed(lab, run, was, before, probes, told, synchronous)
            print(f"{told}; whole again {time.monotonic() - began:.1f} s after the start", flush=True)


@pytest.mark.parametrize("kind", list(FEW))
def test_an_abort_takes_it_back(standing_lab: Lab, tmp_path: Path, kind: str) -> None:
    lab, dice = standing_lab, random.Random(SEED)
    lab.set_synchronous("")
    for step in steps_of(lab, kind) if THOROUGH else ABORTED[kind]:
        told = f"seed {SEED}: {kind} aborted in {step!r}"
        was, before, probes = primary(lab), timeline_of(lab), lab.state.probes
        run = begin(lab, kind, tmp_path)
        await_event(run, starts(step))
        time.sleep(dice.uniform(0.0, LATER) if THOROUGH else 0.0)
        abort(run)
        end = await_end(run)
        if end["event"] != "done":  # the last step may have ended in time
            assert end["event"] == "failed" and end["healed"] and "aborted" in end["detail"], (told, end)
            heal(lab)  # finds nothing to do
        _assert_healed(lab, run, was, before, probes, told, "")


@pytest.mark.skipif(not THOROUGH, reason="PGREPLTERM_THOROUGH=1 runs it")
@pytest.mark.parametrize("how", ["command", "terminal"])
@pytest.mark.parametrize("kind", list(FEW))
def test_a_killed_command_or_terminal_costs_nothing(standing_lab: Lab, tmp_path: Path, kind: str, how: str) -> None:
    lab = standing_lab
    lab.set_synchronous("")
    words = ["run", kind, "--lab", lab.name, "--yes", lab.name, "--report-dir", str(tmp_path)]
    for step in steps_of(lab, kind):
        told = f"{kind}, its {how} killed in {step!r}"
        was, before, probes, known = primary(lab), timeline_of(lab), lab.state.probes, set(runs(tmp_path))
        with Terminal(command("drill", *words)) as terminal:
            run = _new_run(tmp_path, known)
            await_event(run, starts(step))
            if how == "command":
                terminal.process.kill()
            else:
                terminal.hang_up()
            terminal.wait_exit()
            assert await_end(run)["report"]["outcome"] == "passed", told
        _assert_healed(lab, run, was, before, probes, told, "")
        print(told, flush=True)


@pytest.mark.skipif(not THOROUGH, reason="PGREPLTERM_THOROUGH=1 runs it")
@pytest.mark.parametrize("kind", list(FEW))
def test_a_killed_screen_costs_nothing(standing_lab: Lab, tmp_path: Path, kind: str) -> None:
    lab, base = standing_lab, tmp_path / "pgreplterm" / "runs"
    lab.set_synchronous("")
    base.mkdir(parents=True)
    for step in steps_of(lab, kind):
        told = f"{kind}, its screen killed in {step!r}"
        was, before, probes, known = primary(lab), timeline_of(lab), lab.state.probes, set(runs(base))
        with Terminal(command("watch", "--lab", lab.name), env={"XDG_STATE_HOME": str(tmp_path)}) as screen:
            screen.wait_for(f"{len(lab.nodes)}/{len(lab.nodes)} up")
            screen.press("D")
            screen.wait_for("switchover")
            screen.press("\r" if kind == "failover" else "j\r")
            screen.wait_for("Checks: ")
            screen.press("\r")
            screen.wait_for(f"Type the lab's name, {lab.name}")
            screen.press(lab.name + "\r")
            run = _new_run(base, known)
            await_event(run, starts(step))
            screen.process.kill()
            screen.wait_exit()
            assert await_end(run)["report"]["outcome"] == "passed", told
        _assert_healed(lab, run, was, before, probes, told, "")
        print(told, flush=True)


def _new_run(base: Path, known: set[Run]) -> Run:
    assert wait_until(lambda: any(run.journal.exists() for run in set(runs(base)) - known), 60, 0.01)
    (run,) = set(runs(base)) - known
    return run


class Cut(BaseException):
    """The process is gone here."""


@pytest.mark.parametrize("moment", ["serve", "configure", "update", "close_edges", "forget_slot"])
def test_a_repointing_that_was_cut_off_is_made_whole(
    standing_lab: Lab, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    lab = standing_lab
    lab.set_synchronous("")
    leaf = next(node for node in lab.nodes if node.upstream and not any(n.upstream == node.name for n in lab.nodes))
    above = next(node.name for node in lab.nodes if node.name not in (leaf.name, leaf.upstream))
    place = {"serve": helpers.links, "configure": server}.get(moment, surgery)
    with monkeypatch.context() as patch:
        patch.setattr(place, {"serve": "reload_relay"}.get(moment, moment), _cut)
        with pytest.raises(Cut):
            lab.repoint(leaf.name, above)
    assert mend.make_whole(lab, primary(lab), lambda _: None) == []
    assert_whole(lab)


def _cut(*_: object, **__: object) -> None:
    raise Cut


def _assert_healed(lab: Lab, run: Run, was: str, before: int, probes: int, told: str, synchronous: str) -> None:
    assert_whole(lab)
    promotions = {event["node"] for event in events_of(run) if event["event"] == "promoting"}
    assert len(promotions) <= 1, told
    expected = promotions or {was}
    assert {primary(lab)} == expected, f"{told}: {primary(lab)} is primary, not {expected}"
    assert timeline_of(lab) == before + len(promotions), f"{told}: the timeline grew by more than one promotion"
    missing = Clients.of(lab, probes).missing(lab)
    allowed = lost_by_report(run, lab) if "failover" in run.name and promotions and not synchronous else 0
    assert sum(map(len, missing.values())) <= allowed, f"{told}: acknowledged and gone: {missing}"
    assert await_event(run, named("done", "failed"))
