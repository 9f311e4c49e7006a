"""Processes a lab started, and proof that they are the ones it started.

Owns: spawning, identity (pid and start time), signalling a server with all its children, and finding every
process that works inside a lab's folder. Must not: know what the processes are for.

Each PostgreSQL child is the leader of its own session, so a signal to a process group reaches the postmaster
alone; children are enumerated instead. A zombie counts as gone: only its parent can remove it.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from pgreplterm.lab.account import Account

CLOCK_TOLERANCE = 1.0
"""Seconds two readings of one start time may differ: it is derived from the boot time, which clock steps move."""

POLL = 0.003
"""Seconds between two looks at a condition that nothing announces."""

TOOLS = frozenset({"initdb", "pg_basebackup", "pg_rewind", "pgbench", "cp"})

_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that cannot be mistaken for a later one with the same pid. start_time is in epoch seconds."""

    pid: int
    start_time: float


def spawn(
    argv: Sequence[str],
    *,
    account: Account | None,
    output: IO[bytes],
    environment: Mapping[str, str],
    inherited: Sequence[int] = (),
) -> ProcessId:
    """Start a process that outlives us: own session, cwd ``/``, both output streams to one file. Raises OSError.

    inherited are descriptors that it, and what it starts, keeps open.
    """
    child = subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd="/",
        env=dict(environment),
        start_new_session=True,
        pass_fds=tuple(inherited),
        **(account.spawn_options if account else {}),
    )
    _children[child.pid] = child
    return ProcessId(child.pid, psutil.Process(child.pid).create_time())


def myself() -> ProcessId:
    """The process that calls."""
    me = psutil.Process()
    return ProcessId(me.pid, me.create_time())


def is_running(identity: ProcessId | None) -> bool:
    """Whether that very process still exists and is no zombie."""
    return find(identity) is not None


def find(identity: ProcessId | None) -> psutil.Process | None:
    """The live process of that identity; None when it ended, is a zombie, or the pid belongs to another."""
    if identity is None:
        return None
    reap()
    try:
        process = psutil.Process(identity.pid)
        same = abs(process.create_time() - identity.start_time) <= CLOCK_TOLERANCE
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def is_frozen(identity: ProcessId | None) -> bool:
    """Whether that process is stopped by a signal (SIGSTOP)."""
    process = find(identity)
    try:
        return process is not None and process.status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False


def reap() -> None:
    """Collect our own ended children; a zombie postmaster would make its own lock file look alive."""
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            _children.pop(pid, None)


def tree(identity: ProcessId) -> list[psutil.Process]:
    """That process and its descendants, itself first; empty when it is gone."""
    root = find(identity)
    if root is None:
        return []
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Signal each in order; psutil itself refuses a pid that has been reused."""
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def freeze_tree(identity: ProcessId) -> None:
    """Stop a server and all its children: the postmaster first, so that it forks nobody afterwards."""
    send(tree(identity)[:1], signal.SIGSTOP)
    send(tree(identity)[1:], signal.SIGSTOP)


def thaw_tree(identity: ProcessId) -> None:
    """Continue a server and all its children, children first."""
    send(reversed(tree(identity)), signal.SIGCONT)


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended, zombies included."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def await_gone(processes: Iterable[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Wait up to timeout seconds for all to end; the ones that did not."""
    left = list(processes)

    def none_left() -> bool:
        reap()
        left[:] = [process for process in left if not gone(process)]
        return not left

    wait_until(none_left, timeout)
    return left


def wait_until(condition: Callable[[], bool], timeout: float, pause: float = POLL) -> bool:
    """Ask until the answer is yes or timeout seconds have passed; whether it was yes."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
    return True


def working_inside(directory: Path) -> list[psutil.Process]:
    """Every live process of a lab, found without its state file.

    A server and each of its children have their data directory as working directory; our helpers and the
    PostgreSQL tools name the folder in their arguments. Anything else (an editor, ``tail``) is left alone.
    """
    reap()
    prefix = f"{directory}/"
    found = []
    for process in psutil.process_iter(["name", "cmdline", "cwd", "status"]):
        facts = process.info
        if facts["status"] == psutil.STATUS_ZOMBIE:
            continue
        argv = facts["cmdline"] or []
        server = facts["name"] == "postgres" and f"{facts['cwd']}/".startswith(prefix)
        ours = facts["name"] in (*TOOLS, "postgres") or any(word.startswith("pgreplterm.lab.") for word in argv)
        if server or (ours and any(word == str(directory) or prefix in word for word in argv)):
            found.append(process)
    return found
