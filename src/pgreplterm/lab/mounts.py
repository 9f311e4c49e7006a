"""Small file systems of our own below a lab's folder: a disk that can be full while this machine's is not.

Owns: mounting one, finding by ``/proc/self/mountinfo`` the ones we mounted, unmounting them. Must not: touch a mount
that does not bear our name, or know what is put there.

A mount is private to the mount namespaces that exist: a container sees it only when it is started afterwards.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from pgreplterm.lab.errors import LabError

SOURCE = "pgreplterm"
"""What is mounted, as the list of mounts names it."""

_MOUNTS = Path("/proc/self/mountinfo")
_STATUS = Path("/proc/self/status")
_SYS_ADMIN = 1 << 21  # CAP_SYS_ADMIN, include/uapi/linux/capability.h
_ESCAPED = re.compile(r"\\([0-7]{3})")


def refusal() -> str | None:
    """Why this program cannot mount anything here, as a sentence without its full stop; None when it can."""
    if not _MOUNTS.exists():
        return "it mounts a small file system, which this program does on Linux only"
    if os.geteuid() != 0 or not _capabilities() & _SYS_ADMIN:
        return "it mounts a small file system, which only root may do"
    if shutil.which("mount") is None or shutil.which("umount") is None:
        return "it mounts a small file system, and this machine has no mount and umount"
    return None


def mount(place: Path, size: int) -> None:
    """Mount an empty file system of that many bytes, in memory, on an existing empty folder. Raises LabError."""
    options = f"size={size},mode=0711,nosuid,nodev"
    _run("mount", "-t", "tmpfs", "-o", options, SOURCE, str(place))


def is_mounted(place: Path) -> bool:
    """Whether one of ours is there."""
    return place in _ours()


def unmount(place: Path) -> None:
    """Unmount ours from there, if it is mounted; what is in it is gone. Raises LabError while somebody uses it."""
    while is_mounted(place):  # twice, when two programs mounted it
        _run("umount", str(place))


def unmount_all(directory: Path) -> None:
    """Unmount every one of ours below that folder, whose processes have ended. Raises LabError."""
    for place in sorted(_ours(), reverse=True):
        if place.is_relative_to(directory) and place != directory:
            _run("umount", "-l", str(place))  # a shell that stands in there must not keep a lab


def _ours() -> list[Path]:
    """One entry a mount, so that a place may be there twice."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    return [Path(place) for place, kind, source in map(_parsed, lines) if (kind, source) == ("tmpfs", SOURCE)]


def _parsed(line: str) -> tuple[str, str, str]:
    """Mount point, file system and source of one line (proc(5)): optional fields end with a lone dash."""
    left, _, right = line.partition(" - ")
    kind, source, *_ = [*right.split(), "", ""]
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), left.split()[4]), kind, source


def _capabilities() -> int:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
        raise LabError(f"{command[0]} of {command[-1]} failed: {said}")
