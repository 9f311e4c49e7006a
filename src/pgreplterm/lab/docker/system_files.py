"""The little of this machine's system that goes into every image of ours.

Owns: finding programs, putting them and the libraries they need into an image, and its accounts.
Must not: know PostgreSQL, or what the programs are for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from pgreplterm.lab.docker.errors import DockerError
from pgreplterm.lab.docker.rootfs import Rootfs

RECIPE = "2"
"""Part of every key: an image of another recipe is not taken for one of this."""

SHELL = "bash"
HOME = Path("/var/lib/postgresql")


def programs(needed: Iterable[str], welcome: Iterable[str]) -> Iterator[Path]:
    """Those of this machine, from the system's own folders. Raises DockerError for a missing one that is needed."""
    folders = os.pathsep.join(("/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"))
    wanted = list(needed)
    for name in [*wanted, *welcome]:
        path = shutil.which(name, path=folders)
        if path is not None:
            yield Path(path)
        elif name in wanted:
            raise DockerError(f"an image needs this machine's program {name!r}, and it has none: install its package")


def add_programs(root: Rootfs, found: Iterable[Path], libraries: Iterable[Path], within: Iterable[Path] = ()) -> None:
    """Those programs, the shell under its usual name, and those libraries but for what lies within other trees."""
    others = [tree.resolve() for tree in within]
    for program in found:
        root.add(program)
        if program.name == SHELL:
            root.add(program, Path("/bin/sh"))
    for library in libraries:
        if not any(library.resolve().is_relative_to(tree) for tree in others):
            root.add(library)


def add_accounts(root: Rootfs) -> None:
    """Two accounts, how names are looked up, where libraries are, and the locale C.UTF-8."""
    root.texts |= {
        Path("/etc/passwd"): f"root:x:0:0::/:/bin/sh\npostgres:x:999:999::{HOME}:/bin/sh\n",
        Path("/etc/group"): "root:x:0:\npostgres:x:999:\n",
        Path("/etc/nsswitch.conf"): "passwd: files\ngroup: files\nhosts: files dns\n",
    }
    for path in (Path("/etc/ld.so.cache"), Path("/usr/lib/locale/C.utf8"), Path("/usr/lib/locale/C.UTF-8")):
        if path.is_dir():
            root.add_tree(path)
        elif path.exists():  # says where libraries are that lie outside the loader's own folders
            root.add(path)
