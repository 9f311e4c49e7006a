"""A fault whose program ends in the midst of it: in front of every single thing that it does to the lab."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pgreplterm.lab import mounts, server, sql, throttle
from pgreplterm.lab.faults import advance, registry, settings, wal_corrupted, wal_room
from pgreplterm.lab.faults.fault import Fault, Order
from pgreplterm.lab.lab import Lab
from tests.faults.harness import Standing, assert_equal_to_before
from tests.wal.servers import THOROUGH

_ROOM = str(Path(wal_room.__file__).parent)
_EFFECTS: tuple[tuple[Any, str], ...] = (
    *((Lab, name) for name in ("stop", "start", "kill", "rebuild", "rewind")),
    *((mounts, name) for name in ("mount", "unmount")),
    *((settings, name) for name in ("apply", "restore")),
    *((sql, name) for name in ("promote", "drop_slot", "create_slots")),
    *((throttle, name) for name in ("_move", "_dissolve")),
    *((wal_corrupted, name) for name in ("replace_file", "_write_byte")),
    *((Path, name) for name in ("rename", "symlink_to", "unlink", "mkdir", "rmdir", "touch")),
    (wal_room, "_copy"),
    (wal_room.WalRoom, "fill"),
    (advance, "segments"),
)
_KEPT = {"data", "pg_hba.conf", "pg_ident.conf", "postgresql.conf", "postgresql.log", "postmaster.lock"}

STEP = 1 if THOROUGH else 2
"""Every end is tried, or every second one: the injection's even numbers, the heal's odd ones."""


class Killed(BaseException):
    """In place of SIGKILL."""


@contextmanager
def killed_before(number: int) -> Iterator[list[str]]:
    """Raise Killed in front of the effect of that number, from 0; the names of those that began."""
    begun: list[str] = []

    def counted(name: str, effect: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(*arguments: Any, **more: Any) -> Any:
            if len(begun) == number:
                raise Killed  # also where a method of Lab has just begun to write its own files
            if effect.__module__ == "pathlib" and not sys._getframe(1).f_code.co_filename.startswith(_ROOM):
                return effect(*arguments, **more)
            begun.append(name)
            return effect(*arguments, **more)

        return replacement

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in _EFFECTS:
            patch.setattr(owner, name, counted(name, getattr(owner, name)))
        yield begun


def assert_survives_every_end(lab: Lab, before: Standing, name: str, target: str, *, heals: bool = False) -> list[str]:
    """Injected as far as no effect, two, four ..., and healed each time; what the whole injection does.

    heals: then injected whole and healed as far as one effect, three ..., and healed again each time.
    PGREPLTERM_THOROUGH=1 leaves out no number.
    """
    fault = registry.find(name)
    order = Order(target, {key: option.default for key, option in fault.options.items()})
    for number in itertools.count(step=STEP):
        undo, done, ended = _injected(lab, fault, order, number)
        fault.heal(lab, order, undo)
        _assert_as_before(lab, before, f"{name} ended in {done}")
        if ended:
            break
    for number in itertools.count(STEP - 1, STEP) if heals else ():
        undo, _, _ = _injected(lab, fault, order, sys.maxsize)
        healed, ended = _until(lambda: fault.heal(lab, order, undo), number)  # noqa: B023 - called at once
        fault.heal(lab, order, undo)
        _assert_as_before(lab, before, f"the heal of {name} ended in {healed}")
        if ended:
            break
    return done


def _injected(lab: Lab, fault: Fault, order: Order, number: int) -> tuple[dict[str, Any], list[str], bool]:
    assert fault.unavailable(lab, order.target) is None
    undo = json.loads(json.dumps(fault.prepare(lab, order)))  # as the record on disk gives it back
    done, ended = _until(lambda: fault.inject(lab, order, undo), number)
    return undo, done, ended


def _until(act: Callable[[], object], number: int) -> tuple[list[str], bool]:
    with killed_before(number) as begun:
        try:
            act()
        except Killed:
            return begun, False
    return begun, True


def _assert_as_before(lab: Lab, before: Standing, what: str) -> None:
    try:
        assert_equal_to_before(lab, before)
        for node in lab.nodes:
            left = {path.name for path in server.folder(node).iterdir()} - _KEPT
            assert all(name.startswith("data.") for name in left), f"left behind in {node.name}: {left}"
    except AssertionError as error:
        raise AssertionError(f"{what}: {error}") from error
