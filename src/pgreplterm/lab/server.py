"""One PostgreSQL server: its files, and when it is ready.

Owns: a node's folder (configuration beside ``data``), what must be true before a postmaster is started there,
knowing when it is ready, and clearing what a killed one leaves. Must not: know the other nodes of the lab, or
whether the server is a process or a container.

Readiness is line 8 of ``postmaster.pid`` (src/include/utils/pidfile.h), polled every 3 ms; ``pg_ctl -w`` looks
every 100 ms and needs a shell.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pgreplterm.lab import ports, process, sysv, tools
from pgreplterm.lab.account import Account
from pgreplterm.lab.backend import Backend
from pgreplterm.lab.config import LOOPBACK, Upstream, Wishes, pg_hba_conf, postgresql_conf
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.state import LabState, NodeRecord, replace_file

START_TIMEOUT = 60.0
"""Seconds a start may take, crash recovery included."""

LIFE_SIGN = 0.05
"""Seconds between two looks whether a starting server has ended instead; its lock file is read more often."""


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


def configure(node: NodeRecord, lab: LabState, upstream: Upstream | None) -> None:
    """Write the node's configuration files. A running server reads them on reload. Raises LabError."""
    place = folder(node)
    wishes = Wishes({**lab.settings, **node.settings}, node.delay, lab.synchronous, lab.fsync, lab.archive)
    listen, networks = (LOOPBACK, ()) if lab.docker is None else ("*", ("samenet",))
    text = postgresql_conf(node.name, node.port, place, lab.segment_size, upstream, listen=listen, wishes=wishes)
    replace_file(place / "postgresql.conf", text)
    replace_file(place / "pg_hba.conf", pg_hba_conf(networks))
    replace_file(place / "pg_ident.conf", "")


def make_standby(node: NodeRecord, account: Account) -> None:
    """Have the node start as a standby, with nothing in it left over from the server it was copied from."""
    for name in ("standby.signal", "postgresql.auto.conf"):
        _make_empty(Path(node.data_directory) / name, account)


def make_recovering(node: NodeRecord, account: Account, settings: Mapping[str, str]) -> None:
    """Have the node start with a recovery that ends. The settings go where they win over its configuration file."""
    data = Path(node.data_directory)
    (data / "standby.signal").unlink(missing_ok=True)
    quoted = {name: value.replace("'", "''") for name, value in settings.items()}
    text = "".join(f"{name} = '{value}'\n" for name, value in quoted.items())
    _make_empty(data / "postgresql.auto.conf", account)
    (data / "postgresql.auto.conf").write_text(text, encoding="utf-8")
    _make_empty(data / "recovery.signal", account)


def is_standby(node: NodeRecord) -> bool:
    """Whether it will start as a standby, or did and has not been promoted since."""
    return (Path(node.data_directory) / "standby.signal").exists()


def arguments(node: NodeRecord) -> list[str]:
    """What postgres is started with."""
    return ["-D", node.data_directory, "-c", f"config_file={folder(node) / 'postgresql.conf'}"]


def start(backend: Backend, nodes: Sequence[NodeRecord]) -> Iterator[NodeRecord]:
    """Start some postmasters without waiting; each changed record, once that one is started.

    Raises LabError when a port is taken, or somebody else's processes are in a data directory.
    """
    for node in nodes:
        if not ports.becomes_free(node.port):
            raise LabError(f"port {node.port} of {node.name} is taken by another program: end that one and start again")
        _clear_stale_lock(node)
    return backend.launch(nodes)


@contextmanager
def interlock(node: NodeRecord) -> Iterator[int]:
    """A descriptor that holds the node's lock, for a postmaster to inherit. Raises LabError when one has it already."""
    path = lock_path(node)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield handle
    except BlockingIOError:
        raise LabError(f"{node.name} was not started: another server holds {path}; end that one first") from None
    finally:
        os.close(handle)


def lock_path(node: NodeRecord) -> Path:
    """What every postmaster of the node holds locked while it lives."""
    return folder(node) / "postmaster.lock"


def await_ready(backend: Backend, node: NodeRecord, log_from: int = 0) -> None:
    """Wait until the server accepts connections. Raises LabError with the log's own reason, read from log_from on."""
    data = Path(node.data_directory)
    pid = backend.postmaster_pid(node)
    asked_at = 0.0

    def settled() -> bool:
        nonlocal asked_at
        lock = read_lock_file(data)
        if lock is not None and lock.pid == pid and lock.status in ("ready", "standby"):
            return True
        if time.monotonic() - asked_at < LIFE_SIGN:
            return False
        asked_at = time.monotonic()
        return not backend.is_running(node)

    if not process.wait_until(settled, START_TIMEOUT):
        raise LabError(f"{node.name} is not ready after {START_TIMEOUT:.0f} s: {_reason(node, log_from)}")
    if not backend.is_running(node):
        raise LabError(f"{node.name} did not start: {_reason(node, log_from)}")


def log_size(node: NodeRecord) -> int:
    """Bytes in the log, to read only what comes after."""
    try:
        return log_file(node).stat().st_size
    except FileNotFoundError:
        return 0


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
