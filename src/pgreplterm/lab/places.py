"""Where labs live on disk.

Owns: the lab root (memory-backed when there is room), the folder of each lab and the safety of both.
Must not: know what is inside a lab.

State lives beside the data, so a reboot that clears one clears the other. No home directory is needed.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pgreplterm.lab.account import Account
from pgreplterm.lab.errors import LabError, LabExists, NoSuchLab

ENVIRONMENT_VARIABLE = "PGREPLTERM_LAB_ROOT"
SHARED_MEMORY = Path("/dev/shm")
ROOM_WANTED = 1 << 30
"""Bytes that must be free on a memory file system before a lab goes there."""

MORE_SPACE = f"free some, or name a roomier folder in {ENVIRONMENT_VARIABLE}"
"""What to do about a full disk."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z")


def check_name(name: str) -> str:
    """The name itself when it can be a folder, a title and an argument. Raises LabError."""
    if not _NAME.match(name):
        raise LabError(
            f"a lab's name is 1 to 32 characters of a-z, 0-9, - and _, beginning with a letter or digit: found {name!r}"
        )
    return name


def roots() -> tuple[Path, ...]:
    """Every place where labs of this user may be, in order of preference.

    All are searched for existing labs, since a lab that fills memory would otherwise hide itself.
    """
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        return (Path(chosen).absolute(),)
    own_name = f"pgreplterm-{os.geteuid()}"
    found = [SHARED_MEMORY / own_name]
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        found.append(Path(runtime) / "pgreplterm")
    found.append(Path(tempfile.gettempdir()) / own_name)
    return tuple(found)


def directories() -> Iterator[Path]:
    """The folders of all labs of this user, by root and name."""
    for root in roots():
        if root.is_dir() and os.access(root, os.R_OK | os.X_OK):
            yield from sorted(entry for entry in root.iterdir() if entry.is_dir() and _NAME.match(entry.name))


def find(name: str) -> Path:
    """The folder of that lab. Raises NoSuchLab."""
    check_name(name)
    for directory in directories():
        if directory.name == name:
            return directory
    raise NoSuchLab(f"there is no lab named {name!r}: 'pgreplterm lab ls' lists them, 'pgreplterm lab up' makes one")


def create(name: str, account: Account) -> Path:
    """Make the folder of a new lab; only one caller can, so this is also the lock on the name.

    Raises LabExists, or LabError when no root is writable and safe.
    """
    check_name(name)
    if any(directory.name == name for directory in directories()):
        raise _taken(name)
    root = _roomy(account)
    _prepare(root, account)
    directory = root / name
    try:
        directory.mkdir()
    except FileExistsError:
        raise _taken(name) from None
    except OSError as error:
        raise LabError(f"the lab folder {directory} cannot be made: {error.strerror}") from None
    directory.chmod(0o711 if account.dropped else 0o700)
    return directory


def remove_root(root: Path) -> None:
    """Remove the lab root when the last lab is gone; a root that holds anything stays."""
    try:
        root.rmdir()
    except OSError:
        return


def _taken(name: str) -> LabExists:
    return LabExists(
        f"a lab named {name!r} is already there: remove it with 'pgreplterm lab down {name}', "
        "or choose another name with --name"
    )


def _roomy(account: Account) -> Path:
    candidates = roots()
    if os.environ.get(ENVIRONMENT_VARIABLE):
        return candidates[0]
    for root in candidates[:-1]:
        if not root.parent.is_dir() or not os.access(root.parent, os.W_OK | os.X_OK):
            continue
        if account.dropped and root.parent != SHARED_MEMORY:
            continue  # a runtime directory is 0700: the dropped account could not enter it
        if shutil.disk_usage(root.parent).free >= ROOM_WANTED:
            return root
    return candidates[-1]


def _prepare(root: Path, account: Account) -> None:
    """Make the root if need be; refuse one that others could have planted or can change."""
    try:
        root.mkdir(mode=0o711, parents=True)
        root.chmod(0o711)
    except FileExistsError:
        pass
    except OSError as error:
        raise LabError(
            f"the lab root {root} cannot be made: {error.strerror}; name a writable folder in {ENVIRONMENT_VARIABLE}"
        ) from None
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise LabError(f"the lab root {root} must be a folder of uid {os.geteuid()} and no link: move it away")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise LabError(f"the lab root {root} is writable by others: chmod go-w it first")
    if not os.access(root, os.W_OK | os.X_OK):
        raise LabError(f"the lab root {root} is not writable: name another folder in {ENVIRONMENT_VARIABLE}")
    if account.dropped:
        _check_reachable(root, account)


def _check_reachable(root: Path, account: Account) -> None:
    for folder in (root, *root.parents):
        found = folder.stat()
        if found.st_uid != account.uid and not found.st_mode & stat.S_IXOTH:
            raise LabError(
                f"the servers run as {account.name}, which may not enter {folder}: "
                f"name a folder it can reach in {ENVIRONMENT_VARIABLE}"
            )
