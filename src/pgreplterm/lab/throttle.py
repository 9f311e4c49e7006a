"""A limit on how fast the processes of one node may write to their disk: a control group of our own.

Owns: that group, moving processes in and back, and which disk a folder is on. Must not: know what a node is.

Only the blkio controller of cgroup v1 is used. It delays what a process writes and then waits for, as a server does
with WAL (write, fdatasync); what the kernel writes back by itself is not delayed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pgreplterm.lab import process
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.places import ENVIRONMENT_VARIABLE

_MOUNTS = Path("/proc/self/mountinfo")
_DISKS = Path("/sys/dev/block")
_LIMIT = "blkio.throttle.write_bps_device"
_MOVE_TIMEOUT = 5.0


def refusal(folder: Path) -> str | None:
    """Why writes into that folder cannot be slowed, as a sentence without its full stop; None when they can."""
    if os.geteuid() != 0:
        return "it limits a server's writes by a control group, which only root may do"
    if disk_of(folder) is None:
        return (
            f"{folder} is not on a disk (it lies in memory, or on a file system without one): "
            f"name a folder on a disk in {ENVIRONMENT_VARIABLE} and make the lab there"
        )
    controller = _controller()
    if controller is None or not (controller / _LIMIT).exists():
        return "it needs the blkio controller of cgroup v1, which this machine does not offer"
    return None


def disk_of(folder: Path) -> str | None:
    """The disk under that folder as ``major:minor``, the whole one and not its partition; None when there is none."""
    number = folder.stat().st_dev
    disk = _DISKS / f"{os.major(number)}:{os.minor(number)}"
    if not disk.exists():
        return None
    if (disk / "partition").exists():
        disk = disk.resolve().parent
    return (disk / "dev").read_text(encoding="ascii").strip()


def group_of(pid: int) -> str:
    """The blkio group a process is in, as ``/proc/PID/cgroup`` names it; "/" where there is none."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if "blkio" in controllers.split(","):
                return path
    return "/"


def limit(directory: Path, node: str, disk: str, rate: int, pids: Callable[[], tuple[int, ...]]) -> None:
    """Let those processes, and whatever they start, write no more than rate bytes a second to that disk.

    pids is asked until all are in the group: one may have been started meanwhile. Raises LabError.
    """
    group = _group(directory, node)
    try:
        group.mkdir(exist_ok=True)
        (group / _LIMIT).write_text(f"{disk} {rate}", encoding="ascii")
    except OSError as error:
        raise LabError(f"the writes of {node} cannot be limited: {error.strerror} ({error.filename})") from None

    def all_in() -> bool:
        outside = set(pids()) - _members(group)
        for pid in sorted(outside):
            _move(pid, group)
        return not outside

    if not process.wait_until(all_in, _MOVE_TIMEOUT):
        raise LabError(f"not every process of {node} could be moved to the control group {group}")


def lift(directory: Path, node: str, back_to: str) -> bool:
    """Move what is in the node's group to that one and remove it; whether there was a group. Raises LabError."""
    controller = _controller()
    if controller is None or not _group(directory, node).exists():
        return False
    former = controller / back_to.lstrip("/")
    _dissolve(_group(directory, node), former if former.is_dir() else controller)
    return True


def remove_all(directory: Path) -> None:
    """Remove the groups of that lab's nodes, whose processes have ended. Raises LabError."""
    controller = _controller()
    if controller is not None:
        for group in controller.glob(f"{_prefix(directory)}*"):
            _dissolve(group, controller)


def _dissolve(group: Path, former: Path) -> None:
    def gone() -> bool:
        for pid in _members(group):
            _move(pid, former)
        with suppress(OSError):  # a process was forked into it meanwhile
            group.rmdir()
        return not group.exists()

    if not process.wait_until(gone, _MOVE_TIMEOUT):
        raise LabError(f"the control group {group} cannot be removed: processes stay in it")


def _move(pid: int, group: Path) -> None:
    with suppress(ProcessLookupError):  # it has ended
        try:
            (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
        except OSError as error:
            if isinstance(error, ProcessLookupError):
                raise
            raise LabError(f"process {pid} cannot be moved to the control group {group}: {error.strerror}") from None


def _members(group: Path) -> set[int]:
    try:
        return {int(line) for line in (group / "cgroup.procs").read_text(encoding="ascii").split()}
    except OSError:
        return set()


def _group(directory: Path, node: str) -> Path:
    controller = _controller()
    if controller is None:
        raise LabError("the blkio controller of cgroup v1 is not there any more")
    return controller / f"{_prefix(directory)}{node}"


def _prefix(directory: Path) -> str:
    return f"pgreplterm-{hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]}-"


def _controller() -> Path | None:
    """Where the blkio hierarchy is mounted."""
    with suppress(OSError):
        for line in _MOUNTS.read_text(encoding="utf-8").splitlines():
            left, _, right = line.partition(" - ")
            kind, _, options = right.split(" ", 2)
            if kind == "cgroup" and "blkio" in options.split(","):
                return Path(left.split()[4])
    return None
