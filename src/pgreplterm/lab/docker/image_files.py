"""A PostgreSQL server of this machine as an image: its programs and modules, and the little it needs around it.

Owns: finding the parts of an installation, and a short key of them. Must not: build.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from pgreplterm.lab.binaries import environment
from pgreplterm.lab.docker import closure, system_files
from pgreplterm.lab.docker.errors import DockerError
from pgreplterm.lab.docker.rootfs import Rootfs, unneeded

NEEDED = (system_files.SHELL, "flock", "sleep", "cp", "rm")
WELCOME = (
    *("cat", "chmod", "chown", "date", "dd", "df", "du", "echo", "env", "false", "head", "id", "kill", "ln", "ls"),
    *("locale", "mkdir", "mkfifo", "mv", "readlink", "rmdir", "sort", "stat", "sync", "tail", "tee", "test", "timeout"),
    *("touch", "tr", "true", "truncate", "uname", "wc", "fallocate", "find", "grep", "gzip", "sed", "setpriv", "xargs"),
)

_LEFT_OUT = ("include", "pgxs", "pkgconfig", "doc", "man", "*.a", "*.la", "*.bc", "bitcode", "__pycache__")
# What compiles queries needs a compiler's library of 130 MB; the procedural languages need a language each.
_MODULES_LEFT_OUT = ("llvmjit*", "plperl*", "*_plperl*", "plpython*", "*_plpython*", "pltcl*")
_needless = unneeded(*_LEFT_OUT, *_MODULES_LEFT_OUT)
_PROGRAMS = ("postgres", "postmaster", "initdb", "psql", "pg_*", "pgbench", "createdb", "createuser", "dropdb")
_PACKAGES = ("site-packages", "dist-packages")
_VERSION = re.compile(r"\(PostgreSQL\) ((\d+)\S*)")
_SHARED_PREFIXES = (Path("/usr"), Path("/usr/local"))
_ZONES = Path("/usr/share/zoneinfo")


@dataclass(frozen=True, slots=True)
class Installation:
    """The parts of one PostgreSQL on this machine, each with its place in the image."""

    version: str
    major: int
    bindir: Path
    bindir_inside: Path
    trees: tuple[tuple[Path, Path], ...]
    has_zones: bool

    def left_out(self, folder: str, names: list[str]) -> set[str]:
        """Which of those names in that folder no server needs; a bin directory may be shared with other programs."""
        omitted = _needless(folder, names)
        if Path(folder) == self.bindir:
            omitted |= {name for name in names if not any(fnmatch(name, pattern) for pattern in _PROGRAMS)}
        return omitted

    def files(self) -> Iterator[Path]:
        """Everything that goes in, besides what it needs of the system."""
        for source, _ in self.trees:
            for folder, names, files in os.walk(source):
                omitted = self.left_out(folder, names + files)
                names[:] = sorted(name for name in names if name not in omitted)
                yield from (Path(folder) / name for name in sorted(files) if name not in omitted)


def version_of(bindir: Path) -> tuple[str, int]:
    """What ``postgres --version`` says there, such as ("18.6", 18). Raises DockerError."""
    try:
        answer = subprocess.run(
            [bindir / "postgres", "--version"], capture_output=True, text=True, check=False, cwd="/", env=environment()
        )
    except OSError as error:
        raise DockerError(f"{bindir}/postgres cannot be run: {error.strerror}") from None
    found = version_in(answer.stdout)
    if found is None:
        raise DockerError(f"{bindir}/postgres names no PostgreSQL version: it says {answer.stdout.strip()!r}")
    return found


def version_in(line: str) -> tuple[str, int] | None:
    """The version and major in what ``postgres --version`` prints, if it is that."""
    found = _VERSION.search(line)
    return (found[1], int(found[2])) if found else None


def installation(bindir: Path) -> Installation:
    """The server of that bin directory. Raises DockerError when a part of it is not where one expects it."""
    if not sys.platform.startswith("linux"):
        raise DockerError(
            "an image can be built here only on Linux: 'docker pull postgres:18', or name one with --image"
        )
    version, major = version_of(bindir)
    prefix = bindir.parent
    modules = _holding("plpgsql.so", _library_folders(prefix), bindir)
    parts = {bindir, modules if prefix in _SHARED_PREFIXES else prefix / modules.relative_to(prefix).parts[0]}
    share = _holding("postgres.bki", _share_folders(prefix, major), bindir)
    parts.add(share)
    base = prefix.parent.parent if prefix.parent.parent.name in _PACKAGES else None
    if base is not None:  # a wheel: its libraries are in a folder beside the package
        beside = prefix.parent.with_name(f"{prefix.parent.name}.libs")
        parts |= {beside} if beside.is_dir() else set()
    trees = tuple((part, _inside(part, base)) for part in sorted(_outermost(parts)))
    return Installation(version, major, bindir, _inside(bindir, base), trees, (share / "timezone").is_dir())


def server_key(found: Installation) -> str:
    """A short digest of which server, and every file of it by path, size and time."""
    digest = hashlib.sha256(f"{system_files.RECIPE}\n{found.version}\n{found.bindir}\n".encode())
    for path in found.files():
        facts = path.stat() if path.exists() else path.lstat()
        digest.update(f"{path}\n{facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


def server_rootfs(found: Installation) -> Rootfs:
    """The server, the libraries it needs, a shell and what a container of it is driven with. Raises DockerError."""
    root = Rootfs()
    for source, target in found.trees:
        root.add_tree(source, target, found.left_out)
    if not found.has_zones and _ZONES.is_dir():
        root.add_tree(_ZONES, left=unneeded("right", "posix"))
    programs = [found.bindir / "postgres", *system_files.programs(NEEDED, WELCOME)]
    bindir = found.bindir.resolve()
    code = [path for path in root.files.values() if path.parent == bindir or ".so" in path.suffixes]
    system_files.add_programs(
        root, programs[1:], closure.libraries(programs, code), [source for source, _ in found.trees]
    )
    system_files.add_accounts(root)
    root.open_folders |= {
        Path("/tmp"),
        Path("/var/tmp"),
        system_files.HOME,
        Path("/run/postgresql"),
        Path("/var/run/postgresql"),
    }
    return root


def _library_folders(prefix: Path) -> Iterator[Path]:
    yield from (prefix / "lib", prefix / "lib" / "postgresql", prefix / "lib64", prefix / "lib64" / "pgsql")


def _share_folders(prefix: Path, major: int) -> Iterator[Path]:
    yield from (prefix / "share", prefix / "share" / "postgresql", prefix / "share" / "pgsql")
    yield from (Path(f"/usr/share/postgresql/{major}"), Path("/usr/share/postgresql"), Path("/usr/share/pgsql"))


def _holding(name: str, folders: Iterable[Path], bindir: Path) -> Path:
    tried = list(folders)
    for folder in tried:
        if (folder / name).exists():
            return folder
    raise DockerError(
        f"the PostgreSQL of {bindir} has no {name} in {', '.join(map(str, tried))}: name another with --pg-bin"
    )


def _outermost(parts: set[Path]) -> set[Path]:
    return {part for part in parts if not any(other in part.parents for other in parts)}


def _inside(part: Path, base: Path | None) -> Path:
    """A wheel moves to /opt, where no path tells whose environment it was; anything else stays where it is."""
    return Path("/opt") / part.relative_to(base) if base is not None else part
