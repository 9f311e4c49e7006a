"""Removing a lab, whole or half built, with or without a readable state file.

Owns: the order in which containers, processes, System V segments and the folder of a lab go. Must not: touch a
process that neither its identity in the state file nor its place inside the folder shows to be this lab's.
"""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from pgreplterm.lab import mounts, places, process, server, state, throttle
from pgreplterm.lab.backend import PASSWD, backend_of
from pgreplterm.lab.errors import LabError, StateDamaged
from pgreplterm.lab.process import ProcessId
from pgreplterm.lab.state import LabState, Phase

POLITE = 5.0
"""Seconds an immediate stop may take before SIGKILL."""

FORCED = 10.0
_FATAL_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def take_down(directory: Path) -> None:
    """Remove the lab in that folder. Raises LabError while another live process is building it."""
    lab = _state(directory)
    if lab is not None and lab.phase is Phase.BUILDING and lab.creator != process.myself():
        builder = process.find(lab.creator)
        if builder is not None:
            raise LabError(
                f"lab {directory.name!r} is being built by process {builder.pid}: wait for it, or interrupt that one"
            )
    demolish(directory)


def demolish(directory: Path) -> None:
    """End every process, free every segment, remove the folder; a second Ctrl-C does not interrupt this."""
    with _undisturbed():
        _remove_containers(directory)
        _end_processes(directory)
        for data_directory in directory.glob("*/data*"):
            server.remove_segment(data_directory)
        mounts.unmount_all(directory)
        throttle.remove_all(directory)
        _remove(directory)
        places.remove_root(directory.parent)


def _remove_containers(directory: Path) -> None:
    """First, while the state file still says what they are; without one, their labels name this folder."""
    lab = _state(directory)
    if lab is not None:
        backend_of(lab, directory).remove()
    elif (directory / PASSWD).exists():  # only Docker's labs have one
        from pgreplterm.lab.docker import leftovers

        leftovers.remove_of(directory)


def _end_processes(directory: Path) -> None:
    """Ask first (SIGQUIT for servers, SIGTERM for the rest), then kill what is left."""
    deadline_passed = False
    for _ in range(3):  # a tool that was ending may have started a server meanwhile
        found = _processes(directory)
        if not found:
            return
        # The youngest first: a standby that loses its upstream runs its restore_command, and a process that waits for
        # a command ignores SIGQUIT.
        for victim in reversed(found):
            _ask(victim, found, force=deadline_passed)
        process.await_gone(found, FORCED if deadline_passed else POLITE)
        deadline_passed = True
    left = process.await_gone(_processes(directory), 0)
    if left:
        pids = ", ".join(str(victim.pid) for victim in left)
        raise LabError(f"processes {pids} of lab {directory.name!r} do not end: the folder {directory} is kept")


def _ask(victim: psutil.Process, lab: list[psutil.Process], *, force: bool) -> None:
    try:
        frozen = victim.status() == psutil.STATUS_STOPPED
        is_server = victim.name() == "postgres"
        child = is_server and victim.ppid() in {other.pid for other in lab}
    except psutil.NoSuchProcess:
        return
    if force or frozen:
        process.send([victim], signal.SIGKILL)
    elif not child:
        # A child ends with its postmaster, or, under initdb, when its input ends; signalling it would leave
        # its shared memory behind.
        process.send([victim], signal.SIGQUIT if is_server else signal.SIGTERM)


def _processes(directory: Path) -> list[psutil.Process]:
    """All of a lab's processes: those inside the folder and those the state file identifies."""
    found = {member.pid: member for member in process.working_inside(directory)}
    for identity in _recorded(_state(directory)):
        for member in process.tree(identity):
            found.setdefault(member.pid, member)
    return list(found.values())


def _recorded(lab: LabState | None) -> Iterator[ProcessId]:
    if lab is None:
        return
    yield from (node.process for node in (*lab.nodes, *lab.recovered) if node.process is not None)
    yield from (helper.process for helper in (lab.load, lab.prober) if helper is not None)
    if lab.relay is not None:
        yield lab.relay


def _state(directory: Path) -> LabState | None:
    try:
        return state.read(directory)
    except StateDamaged:
        return None


def _remove(directory: Path) -> None:
    for _ in range(3):
        try:
            shutil.rmtree(directory)
        except FileNotFoundError:
            return
        except OSError as error:
            problem = error
        else:
            return
    raise LabError(f"{directory} cannot be removed: {problem.strerror} ({problem.filename})")


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold back the signals that end a program until the work is done; they are delivered then."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FATAL_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
