"""Injecting a fault and healing it, with the undo on disk in between.

Owns: the order of the steps, so that a program killed anywhere leaves what heals the lab. Must not: know what a fault
does, or show anything.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pgreplterm.errors import PgReplTermError
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import record as records
from pgreplterm.lab.faults import registry, request, restore
from pgreplterm.lab.faults.fault import Fault, Order
from pgreplterm.lab.faults.lock import alone, held_back
from pgreplterm.lab.faults.record import Record, Stage
from pgreplterm.lab.state import Phase

if TYPE_CHECKING:
    from pgreplterm.lab.build import Narrate
    from pgreplterm.lab.lab import Lab


@dataclass(frozen=True, slots=True)
class Healed:
    """What came of healing one fault: said is the fault's own sentence; error says why it is still there."""

    record: Record
    said: str | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Healing:
    """What a round of healing did, in order; complaints are what it could not make right."""

    faults: tuple[Healed, ...]
    steps: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[str, ...]:
        """Everything that is not as before, a sentence each."""
        return (*(each.error for each in self.faults if each.error is not None), *self.complaints)


def inject(
    lab: Lab, name: str, target: str, options: Mapping[str, float], duration: float | None, narrate: Narrate
) -> Record:
    """Inject a fault and return its record. Raises LabError; then it is undone, or its record is still there.

    duration is only noted: the caller heals when it is over.
    """
    require_ready(lab)
    fault = registry.find(name)
    order = request.order_of(lab, fault, target, options)
    request.check_duration(duration)
    with alone(lab.directory, narrate):
        _refuse_twice(lab, order, fault)
        if (reason := fault.unavailable(lab, order.target)) is not None:
            raise LabError(f"{fault.name} cannot be injected at {order.target}: {reason}")
        record = _planned(lab, fault, order, duration)
        try:
            records.write(lab.directory, record)
            narrate(f"injecting {fault.name} at {order.target}")
            done = fault.inject(lab, order, record.undo)
            record = replace(record, stage=Stage.INJECTED, done=done, until=_until(duration))
            records.write(lab.directory, record)
        except BaseException as error:
            _undo_failed(lab, record, error, narrate)
            raise
    return record


def heal(lab: Lab, numbers: Collection[int] | None, narrate: Narrate, *, settle: bool = True) -> Healing:
    """Heal the faults of those numbers, or all, newest first; when none is left, wait until every standby streams.

    settle: whether to wait for that.

    Raises LabError for a number that is none. A fault that cannot be healed stays on disk with its error.
    """
    require_ready(lab)
    with alone(lab.directory, narrate):
        healing = _heal(lab, numbers, narrate)
        if not settle or healing.errors or records.readable(lab.directory)[0]:
            return healing
        return replace(healing, complaints=restore.await_streaming(lab))


def heal_lab(lab: Lab, narrate: Narrate) -> Healing:
    """Heal every fault, then bring back whatever else does not run as it ought to. Raises LabError."""
    require_ready(lab)
    with alone(lab.directory, narrate):
        healing = _heal(lab, None, narrate)
        records.sweep(lab.directory)
        with held_back():
            restored = restore.restore(lab, narrate)
        return replace(healing, steps=restored.steps, complaints=(*healing.complaints, *restored.complaints))


def still_there(lab: Lab, record: Record) -> bool:
    """Whether that very injection has not been healed."""
    return any(record.is_same(other) for other in records.readable(lab.directory)[0])


def require_ready(lab: Lab) -> None:
    """Raises LabError for a lab that ``lab up`` has not finished, or never will."""
    if lab.state.phase is not Phase.READY:
        raise LabError(
            f"lab {lab.name!r} has not been built to its end: wait for the 'lab up' that builds it, "
            f"or remove it with 'pgreplterm lab down {lab.name}'"
        )


def _planned(lab: Lab, fault: Fault, order: Order, duration: float | None) -> Record:
    undo = fault.prepare(lab, order)
    number = records.next_number(lab.directory)
    return Record(number, fault.name, order, undo, Stage.INJECTING, time.time(), _until(duration))


def _until(duration: float | None) -> float | None:
    return None if duration is None else time.time() + duration


def _refuse_twice(lab: Lab, order: Order, fault: Fault) -> None:
    for other in records.read_all(lab.directory):
        if other.order.target == order.target and other.fault == fault.name:
            raise LabError(
                f"{order.target} already has the fault {fault.name} (number {other.number}): "
                f"heal it first with 'pgreplterm fault heal {other.number} --lab {lab.name}'"
            )


def _undo_failed(lab: Lab, record: Record, error: BaseException, narrate: Narrate) -> None:
    """Heal an injection that did not come to its end; when that fails too, say how it is done later."""
    if not still_there(lab, record):
        return
    narrate(f"{record.fault} was not injected whole: healing it")
    healed = _heal_one(lab, record, narrate)
    if healed.error is not None:
        later = f"heal it with 'pgreplterm fault heal {record.number} --lab {lab.name}'"
        if isinstance(error, PgReplTermError):
            raise LabError(f"{error}; undoing that failed as well ({healed.error}): {later}") from None
        narrate(f"undoing {record.fault} failed ({healed.error}): {later}")


def _heal(lab: Lab, numbers: Collection[int] | None, narrate: Narrate) -> Healing:
    known, complaints = records.readable(lab.directory)
    for number in numbers or ():
        records.find(lab.directory, number)
    chosen = [record for record in reversed(known) if numbers is None or record.number in numbers]
    healed = tuple(_heal_one(lab, record, narrate) for record in chosen)
    return Healing(healed, complaints=complaints if numbers is None else ())


def _heal_one(lab: Lab, record: Record, narrate: Narrate) -> Healed:
    narrate(f"healing fault {record.number}, {record.fault} at {record.order.target}")
    with held_back():
        records.write(lab.directory, replace(record, stage=Stage.HEALING))
        try:
            said = registry.find(record.fault).heal(lab, record.order, record.undo)
        except Exception as error:  # a defect in one fault must not keep the others from being healed
            reason = str(error) if isinstance(error, PgReplTermError) else f"{type(error).__name__}: {error}"
            if _is_gone(lab, record):
                records.forget(lab.directory, record.number)
                return Healed(record, f"{record.order.target} is no more, and its fault with it")
            records.write(lab.directory, replace(record, stage=Stage.HEALING, error=reason))
            return Healed(record, None, f"fault {record.number} ({record.fault}) is not healed: {reason}")
        records.forget(lab.directory, record.number)
    return Healed(record, said)


def _is_gone(lab: Lab, record: Record) -> bool:
    """Whether its target was removed from the lab meanwhile."""
    return record.order.target not in {*(node.name for node in lab.nodes), *(edge.name for edge in lab.edges)}
