"""The engine's promises: the undo before the fault, what it refuses, what a failure leaves, what `lab heal` mends."""

# ruff: noqa: ARG002 - a fault's methods take what the protocol says

from __future__ import annotations

import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import psutil
import psycopg
import pytest

from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.drill.engine.lock import only_drill
from pgreplterm.errors import PgReplTermError
from pgreplterm.lab import state
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import engine, record, registry
from pgreplterm.lab.faults.fault import Aim, Option, Order, Undo, Undoing
from pgreplterm.lab.faults.lock import alone
from pgreplterm.lab.faults.record import Record, Stage
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.process import wait_until
from pgreplterm.lab.state import Phase
from tests.faults.conftest import Reused
from tests.faults.harness import Standing, assert_equal_to_before
from tests.lab.commands import command, environment


class Note:
    """A fault that only writes down what is asked of it; it fails where it is told to."""

    name: ClassVar[str] = "note"
    effect: ClassVar[str] = "nothing"
    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTORE
    options: ClassVar[Mapping[str, Option]] = {"weight": Option("how heavy", "bytes", 5.0)}

    def __init__(self, name: str = "note", fails_at: str = "", error: BaseException | None = None) -> None:
        self.name = name  # type: ignore[misc]
        self.calls: list[str] = []
        self.seen: list[tuple[Record, ...]] = []
        self.fails_at = fails_at
        self.error = error or LabError("it broke")

    def unavailable(self, lab: Lab, target: str) -> str | None:
        return "it may not be there" if target == "pg3" else None

    def prepare(self, lab: Lab, order: Order) -> Undo:
        return {"was": order.options["weight"]}

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        return self._act(lab, "inject")

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        return None

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        return self._act(lab, "heal")

    def _act(self, lab: Lab, what: str) -> str:
        self.calls.append(what)
        self.seen.append(record.readable(lab.directory)[0])
        if what in self.fails_at.split():
            raise self.error
        return f"{what} done"


@pytest.fixture
def sound(reused: Reused) -> Iterator[tuple[Lab, Standing]]:
    """A lab that is as before at the end, too."""
    lab, before = reused.take()
    yield lab, before
    assert_equal_to_before(lab, before)
    reused.give_back(lab, before)


@contextmanager
def known(*faults: Note) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "ALL", faults)
        yield


def inject(lab: Lab, name: str = "note", target: str = "pg2", options: Mapping[str, float] | None = None) -> Record:
    return engine.inject(lab, name, target, options or {}, None, lambda _: None)


def heal(lab: Lab) -> engine.Healing:
    return engine.heal(lab, None, lambda _: None)


def test_the_undo_is_on_disk_before_the_fault_and_until_it_is_healed(sound: tuple[Lab, Standing]) -> None:
    lab, _ = sound
    note = Note()
    with known(note):
        written = inject(lab, options={"weight": 7})
        (during,) = note.seen[0]
        assert (during.stage, during.undo, during.order.options) == (Stage.INJECTING, {"was": 7}, {"weight": 7})
        assert (written.stage, written.done) == (Stage.INJECTED, "inject done")
        assert record.find(lab.directory, written.number) == written
        assert [healed.said for healed in heal(lab).faults] == ["heal done"]
        assert note.seen[1][0].stage is Stage.HEALING
        assert heal(lab) == engine.Healing(())


@pytest.mark.parametrize("error", [LabError("it broke"), KeyboardInterrupt(), ZeroDivisionError("a defect")])
def test_an_injection_that_fails_is_healed_at_once(sound: tuple[Lab, Standing], error: BaseException) -> None:
    lab, _ = sound
    note = Note(fails_at="inject", error=error)
    with known(note), pytest.raises(type(error)):
        inject(lab)
    assert note.calls == ["inject", "heal"]
    assert record.read_all(lab.directory) == ()


def test_one_that_cannot_be_healed_stays_with_its_error_and_keeps_no_other(sound: tuple[Lab, Standing]) -> None:
    lab, _ = sound
    first, stubborn = Note("first"), Note("stubborn", fails_at="heal", error=ZeroDivisionError("a defect"))
    with known(first, stubborn):
        inject(lab, "first")
        number = inject(lab, "stubborn").number
        healing = heal(lab)
        assert [healed.record.fault for healed in healing.faults] == ["stubborn", "first"]
        assert healing.errors == (f"fault {number} (stubborn) is not healed: ZeroDivisionError: a defect",)
        (left,) = record.read_all(lab.directory)
        assert (left.fault, left.stage, left.error) == ("stubborn", Stage.HEALING, "ZeroDivisionError: a defect")
        stubborn.fails_at = ""
        assert heal(lab).errors == ()


@pytest.mark.parametrize("signals", [1, 2])
def test_an_interrupt_waits_for_the_end_of_a_heal_and_a_second_one_does_not(
    sound: tuple[Lab, Standing], signals: int
) -> None:
    lab, _ = sound

    class Interrupted(Note):
        def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
            for _ in range(signals):
                signal.raise_signal(signal.SIGINT)
            return super().heal(lab, order, undo)

    interrupted = Interrupted()
    with known(interrupted):
        inject(lab)
        with pytest.raises(KeyboardInterrupt):
            heal(lab)
        assert interrupted.calls == ["inject", *(["heal"] if signals == 1 else [])]
        assert [left.stage for left in record.read_all(lab.directory)] == ([] if signals == 1 else [Stage.HEALING])
        signals = 0
        assert heal(lab).errors == ()


def test_the_fault_of_a_node_that_is_no_more_goes_with_it(sound: tuple[Lab, Standing]) -> None:
    lab, _ = sound
    note = Note(fails_at="heal")
    with known(note):
        removed = inject(lab)
        record.write(lab.directory, replace(removed, order=replace(removed.order, target="pg9")))
        assert [healed.said for healed in heal(lab).faults] == ["pg9 is no more, and its fault with it"]


def test_a_failed_undo_of_a_failed_injection_says_how_to_go_on(sound: tuple[Lab, Standing]) -> None:
    lab, _ = sound
    note = Note(fails_at="inject heal")
    with known(note):
        with pytest.raises(LabError, match=r"it broke; undoing that failed as well .*: heal it with 'pgreplterm fault"):
            inject(lab)
        (left,) = record.read_all(lab.directory)
        assert left.error == "it broke"
        note.fails_at = ""
        assert heal(lab).errors == ()


@pytest.mark.parametrize(
    ("name", "target", "options", "complaint"),
    [
        ("noet", "pg2", {}, r"no fault 'noet'; did you mean 'note'\?"),
        ("note", "pg9", {}, r"aimed at a node: lab .* has pg1, pg2, pg3, found 'pg9'"),
        ("note", "pg3", {}, "cannot be injected at pg3: it may not be there"),
        ("note", "pg2", {"wieght": 1}, r"no option 'wieght'; did you mean 'weight'\? it has weight"),
        ("note", "pg2", {"weight": -1}, "weight of note is a number of bytes: found -1"),
        ("note", "pg2", {"weight": float("nan")}, "found nan"),
    ],
)
def test_a_wrong_order_is_one_sentence(
    sound: tuple[Lab, Standing], name: str, target: str, options: Mapping[str, float], complaint: str
) -> None:
    note = Note()
    with known(note), pytest.raises(LabError, match=complaint):
        inject(sound[0], name, target, options)
    assert note.calls == []


def test_the_same_fault_is_not_injected_twice_at_one_target(sound: tuple[Lab, Standing]) -> None:
    lab, _ = sound
    with known(Note()):
        inject(lab)
        with pytest.raises(LabError, match=r"pg2 already has the fault note \(number 1\): heal it first"):
            inject(lab)
        inject(lab, target="pg1")
        assert [healed.record.number for healed in heal(lab).faults] == [2, 1]


def test_faults_that_exclude_each_other_are_refused(sound: tuple[Lab, Standing]) -> None:
    lab, _ = sound
    inject(lab, "kill", "pg3")
    inject(lab, "cut", "pg2<-pg1")
    with pytest.raises(LabError, match="crash cannot be injected at pg3: pg3 does not run"):
        inject(lab, "crash", "pg3")
    with pytest.raises(LabError, match="cannot be injected at pg2<-pg1: pg2<-pg1 is already both ways cut"):
        inject(lab, "cut-one-way", "pg2")
    with pytest.raises(LabError, match=r"named by both of its ends or by its downstream: .* found 'pg1'"):
        inject(lab, "latency", "pg1")
    inject(lab, "latency", "pg2")  # on a link of its own part
    assert heal(lab).errors == ()


def test_no_fault_while_a_drill_runs_unless_it_is_its_own(sound: tuple[Lab, Standing]) -> None:
    lab, _ = sound
    with known(Note()):
        with only_drill(lab):
            inject(lab)  # by the very process that runs the drill
            (lab.directory / ".drill").write_text("1")
            with pytest.raises(LabError, match="a drill runs on lab"):
                heal(lab)
        with (
            alone(lab.directory, lambda _: None),
            pytest.raises(PgReplTermError, match="fault is being"),
            only_drill(lab),
        ):
            pass
        assert heal(lab).errors == ()


def test_one_program_waits_for_the_other(sound: tuple[Lab, Standing]) -> None:
    lab, _ = sound
    said: queue.Queue[str] = queue.Queue()
    second = threading.Thread(target=engine.heal, args=(lab, None, said.put))
    with alone(lab.directory, lambda _: None):
        second.start()
        assert said.get(timeout=10) == "waiting for another program that injects or heals a fault on this lab"
        assert second.is_alive()
    second.join(10)
    assert not second.is_alive()


def test_a_record_that_cannot_be_read_keeps_no_other_from_being_healed(sound: tuple[Lab, Standing]) -> None:
    lab, _ = sound
    with known(Note()):
        inject(lab)
        damaged = lab.directory / record.FOLDER / "7.json"
        damaged.write_text("{")
        healing = heal(lab)
        assert len(healing.faults) == 1
        assert "7.json: expected the record of a fault" in healing.errors[0]
        damaged.unlink()


def test_a_lab_that_was_never_finished_is_for_lab_down(sound: tuple[Lab, Standing]) -> None:
    lab, _ = sound
    ready = lab.state
    state.write(lab.directory, type(ready)(**{**_fields(ready), "phase": Phase.BUILDING}))
    try:
        with pytest.raises(LabError, match=f"remove it with 'pgreplterm lab down {lab.name}'"):
            engine.heal_lab(lab, lambda _: None)
    finally:
        state.write(lab.directory, ready)


def test_lab_heal_mends_what_no_record_explains(sound: tuple[Lab, Standing]) -> None:
    lab, _ = sound
    inject(lab, "cut", "pg2<-pg1")
    record.forget(lab.directory, 1)
    lab.kill("pg2")
    lab.freeze("pg3")
    with psycopg.connect(lab.dsn("pg1"), autocommit=True) as link:
        dropped = "SELECT pg_drop_replication_slot('pg2')"
        assert wait_until(lambda: not _slot_is_used(link), 10, pause=0.05)
        link.execute(dropped)
    relay = lab.state.relay
    assert relay is not None
    psutil.Process(relay.pid).kill()
    healing = engine.heal_lab(lab, lambda _: None)
    assert healing.errors == ()
    assert set(healing.steps) == {
        "pg3 continues",
        "the link pg2<-pg1 is clear",
        "pg2 is started",
        "pg1 has a slot pg2 again",
        "the relay is started again",
    }
    assert engine.heal_lab(lab, lambda _: None).steps == ()


def test_lab_heal_ends_what_outlived_its_postmaster_and_what_nobody_recorded(sound: tuple[Lab, Standing]) -> None:
    lab, _ = sound
    lab.freeze("pg3")
    psutil.Process(lab.pids("pg3")[0]).kill()  # its children are stopped and do not notice
    running = lab.state
    state.write(lab.directory, running.with_node(replace(running.node("pg2"), process=None)))
    healing = engine.heal_lab(lab, lambda _: None)
    assert (healing.errors, set(healing.steps)) == ((), {"pg2 is started", "pg3 is started"})


def test_lab_heal_starts_no_second_primary(reused: Reused) -> None:
    lab, _ = reused.take()  # and keeps it: it is not as before
    lab.kill("pg1")
    lab.promote("pg2")
    healing = engine.heal_lab(lab, lambda _: None)
    assert any("pg1 would be a second primary beside pg2" in error for error in healing.errors)
    assert not lab.is_running("pg1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, None])
def test_a_held_fault_is_healed_at_its_end_and_when_interrupted(
    sound: tuple[Lab, Standing], number: signal.Signals | None
) -> None:
    lab, _ = sound
    words = ["fault", "inject", "refuse", "pg2", "--lab", lab.name, "--for", "0.5" if number is None else "60"]
    process = subprocess.Popen(
        command(*words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(lab.directory.parent),
    )
    assert process.stdout is not None
    assert "refused" in process.stdout.readline()
    assert record.find(lab.directory, 1).until is not None
    if number is not None:
        process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, "is healed" in out) == (0 if number is None else 130, True), err
    assert record.read_all(lab.directory) == ()


def test_an_overdue_fault_is_shown_to_whoever_looks(sound: tuple[Lab, Standing]) -> None:
    from pgreplterm.cli.fault_text import active_lines, document

    lab, _ = sound
    held = engine.inject(lab, "refuse", "pg2", {}, 0.01, lambda _: None)
    assert held.until is not None
    (line,) = active_lines(document(lab, (), held.until + 65))[1:]
    assert line.startswith("  1: refuse at pg2<-pg1, 1 min 5 s old; overdue for 1 min 5 s: heal it")
    assert time.time() >= held.injected_at
    assert heal(lab).errors == ()


def _fields(ready: state.LabState) -> dict[str, Any]:
    return {name: getattr(ready, name) for name in ready.__dataclass_fields__}


def _slot_is_used(link: psycopg.Connection[Any]) -> bool:
    row = link.execute("SELECT active FROM pg_replication_slots WHERE slot_name = 'pg2'").fetchone()
    return row is not None and bool(row[0])
