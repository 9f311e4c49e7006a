"""One PostgreSQL server: its files, its start, its end.

Owns: a node's folder (configuration beside ``data``), starting the postmaster and knowing when it is ready,
stopping it, and clearing what a killed one leaves. Must not: know the other nodes of the lab.

Readiness is line 8 of ``postmaster.pid`` (src/include/utils/pidfile.h), polled every 3 ms; ``pg_ctl -w`` looks
every 100 ms and needs a shell.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from pgreplterm.lab import ports, process, sysv, tools
from pgreplterm.lab.account import Account
from pgreplterm.lab.binaries import environment
from pgreplterm.lab.config import Upstream, pg_hba_conf, postgresql_conf
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.process import ProcessId
from pgreplterm.lab.state import NodeRecord, replace_file

START_TIMEOUT = 60.0
"""Seconds a start may take, crash recovery included."""

STOP_TIMEOUT = 60.0
"""Seconds a fast stop may take; a primary first sends all WAL to standbys that still answer."""

KILL_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class LockFile:
    """What ``postmaster.pid`` says. The last three are None until the server has written them."""

    pid: int
    segment_key: int | None
    segment_id: int | None
    status: str | None


def read_lock_file(data_directory: Path) -> LockFile | None:
    """The lock file of that data directory; None when there is none or it is being written."""
    try:
        lines = (data_directory / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        pid = abs(int(lines[0]))  # negative: a single-user server
        segment = [int(word) for word in lines[6].split()] if len(lines) > 6 else []
    except (OSError, ValueError, IndexError):
        return None
    key, identifier = segment if len(segment) == 2 else (None, None)
    return LockFile(pid, key, identifier, lines[7].strip() if len(lines) > 7 else None)


def folder(node: NodeRecord) -> Path:
    """The node's folder: its configuration, its log and ``data``."""
    return Path(node.data_directory).parent


def log_file(node: NodeRecord) -> Path:
    """Where the server writes its log."""
    return folder(node) / "postgresql.log"


def configure(node: NodeRecord, segment_size: int, upstream: Upstream | None) -> None:
    """Write the node's configuration files. A running server reads them on reload. Raises LabError."""
    place = folder(node)
    replace_file(place / "postgresql.conf", postgresql_conf(node.name, node.port, place, segment_size, upstream))
    replace_file(place / "pg_hba.conf", pg_hba_conf())
    replace_file(place / "pg_ident.conf", "")


def make_standby(node: NodeRecord, account: Account) -> None:
    """Have the node start as a standby, with nothing in it left over from the server it was copied from."""
    for name in ("standby.signal", "postgresql.auto.conf"):
        _make_empty(Path(node.data_directory) / name, account)


def is_standby(node: NodeRecord) -> bool:
    """Whether it will start as a standby, or did and has not been promoted since."""
    return (Path(node.data_directory) / "standby.signal").exists()


def launch(node: NodeRecord, postgres: str, account: Account) -> ProcessId:
    """Start the postmaster without waiting. Raises LabError when it cannot be executed or its port is taken."""
    if not ports.is_free(node.port):
        raise LabError(f"port {node.port} of {node.name} is taken by another program: end that one and start again")
    _clear_stale_lock(node)
    data = node.data_directory
    argv = [postgres, "-D", data, "-c", f"config_file={folder(node) / 'postgresql.conf'}"]
    try:
        with log_file(node).open("ab") as log:
            return process.spawn(argv, account=account, output=log, environment=environment())
    except OSError as error:
        raise LabError(f"{node.name} cannot be started: {error.strerror}") from None


def await_ready(node: NodeRecord, identity: ProcessId, log_from: int = 0) -> None:
    """Wait until the server accepts connections. Raises LabError with the log's own reason, read from log_from on."""
    data = Path(node.data_directory)

    def settled() -> bool:
        lock = read_lock_file(data)
        ready = lock is not None and lock.pid == identity.pid and lock.status in ("ready", "standby")
        return ready or not process.is_running(identity)

    if not process.wait_until(settled, START_TIMEOUT):
        raise LabError(f"{node.name} is not ready after {START_TIMEOUT:.0f} s: {_reason(node, log_from)}")
    if not process.is_running(identity):
        raise LabError(f"{node.name} did not start: {_reason(node, log_from)}")


def log_size(node: NodeRecord) -> int:
    """Bytes in the log, to read only what comes after."""
    try:
        return log_file(node).stat().st_size
    except FileNotFoundError:
        return 0


def stop(node: NodeRecord) -> None:
    """Fast stop (SIGINT) and wait. Raises LabError when it is frozen or does not end."""
    if process.is_frozen(node.process):
        raise LabError(f"{node.name} is frozen and cannot stop: thaw it first, or kill it")
    postmaster = process.find(node.process)
    if postmaster is None:
        return
    process.send([postmaster], signal.SIGINT)
    if process.await_gone([postmaster], STOP_TIMEOUT):
        raise LabError(f"{node.name} has not stopped after {STOP_TIMEOUT:.0f} s: kill it, or see {log_file(node)}")


def kill(node: NodeRecord) -> None:
    """SIGKILL the postmaster and every child, and wait until all are gone. Raises LabError."""
    if node.process is not None:
        victims = process.tree(node.process)
        process.send(victims, signal.SIGKILL)
        process.await_gone(victims, KILL_TIMEOUT)
    stragglers = process.working_inside(Path(node.data_directory))  # forked while we were enumerating
    process.send(stragglers, signal.SIGKILL)
    if process.await_gone(stragglers, KILL_TIMEOUT):
        raise LabError(f"{node.name} still has processes {KILL_TIMEOUT:.0f} s after SIGKILL")


def reload(node: NodeRecord) -> None:
    """Have a running server read its configuration again."""
    postmaster = process.find(node.process)
    if postmaster is not None:
        process.send([postmaster], signal.SIGHUP)


def remove_segment(data_directory: Path) -> None:
    """Remove the System V segment of a killed server whose directory is about to go."""
    lock = read_lock_file(data_directory)
    if lock is not None and lock.segment_key is not None and lock.segment_id is not None:
        sysv.remove_segment(lock.segment_key, lock.segment_id)


def _make_empty(path: Path, account: Account) -> None:
    """A new empty file of the account. Never through what is there: root would follow a link planted by a server."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        if account.dropped:
            os.fchown(handle, account.uid, account.gid)
    finally:
        os.close(handle)


def _clear_stale_lock(node: NodeRecord) -> None:
    """Remove the lock of a dead server: PostgreSQL takes a zombie, or a reused pid, for a live one."""
    data = Path(node.data_directory)
    if read_lock_file(data) is None:
        return
    if process.working_inside(data):
        raise LabError(f"{node.name} still has processes in {data}: kill it first")
    (data / "postmaster.pid").unlink(missing_ok=True)


def _reason(node: NodeRecord, log_from: int) -> str:
    try:
        with log_file(node).open("rb") as log:
            log.seek(log_from)
            return tools.last_line(log.read().decode("utf-8", "replace"))
    except OSError:
        return "its log cannot be read"
