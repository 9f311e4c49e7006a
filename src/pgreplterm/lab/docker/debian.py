"""An image made of Debian's own packages by debootstrap: a whole small system, as the official image is.

Owns: running debootstrap in a folder of its own, and what of the result goes in. Must not: talk to the engine.

It needs root, the program debootstrap and a mirror, and takes about a minute; the image has every tool Debian has.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pgreplterm.cluster.words import printable
from pgreplterm.lab.docker.errors import DockerError
from pgreplterm.lab.docker.image_files import version_in

PACKAGES = ("postgresql", "ca-certificates")
MIRROR = "http://deb.debian.org/debian"
_LEFT_OUT = (
    *("dev", "proc", "sys", "run", "tmp", "debootstrap"),
    *("var/cache/apt", "var/lib/apt/lists", "var/log", "var/lib/postgresql", "usr/share/doc", "usr/share/man"),
    *("usr/share/locale", "usr/share/info"),
)
# The postinst of the package would make and start a cluster.
_NO_CLUSTER = "create_main_cluster = false\n"
_LAST_LINES = 3


@dataclass(frozen=True, slots=True)
class Debian:
    """A Debian in a folder, with the PostgreSQL of its suite."""

    folder: Path
    suite: str
    bindir: Path
    version: str
    major: int

    def write(self, out: IO[bytes]) -> None:
        """Its files as a tar: folders that are filled at run time are empty, and the documentation is left out."""
        omitted = {f"./{name}" for name in _LEFT_OUT}

        def wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
            parent = os.path.dirname(entry.name)  # noqa: PTH120 (a name inside the tar, not a path here)
            return (
                None
                if parent in omitted or not (entry.isreg() or entry.isdir() or entry.issym() or entry.islnk())
                else entry
            )

        try:
            with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
                tar.add(self.folder, arcname=".", filter=wanted)
        except OSError as error:
            raise DockerError(f"the image's files cannot be put together: {error.strerror or error}") from None


def require_program() -> str:
    """The path of debootstrap. Raises DockerError when it is not there, or cannot work because we are not root."""
    program = shutil.which("debootstrap", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if os.geteuid() != 0 or program is None:
        lacking = "root" if program else "the program debootstrap (apt install debootstrap)"
        raise DockerError(f"an image from Debian needs {lacking}: leave out --from debootstrap to take a server here")
    return program


@contextmanager
def bootstrapped(suite: str, mirror: str = MIRROR) -> Iterator[Debian]:
    """Install that suite in a temporary folder; gone at the end. Raises DockerError."""
    program = require_program()
    folder = Path(tempfile.mkdtemp(prefix="pgreplterm-debian-"))
    try:
        _prepare(folder)
        _run([program, "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, str(folder), mirror], suite)
        yield _described(folder, suite)
    finally:
        _remove(folder)


def _prepare(folder: Path) -> None:
    """debootstrap unpacks around what is there."""
    folder.chmod(0o755)
    settings = folder / "etc" / "postgresql-common"
    settings.mkdir(parents=True)
    (settings / "createcluster.conf").write_text(_NO_CLUSTER, encoding="utf-8")


def _run(argv: list[str], suite: str) -> None:
    """In a session of its own, so that an interruption ends dpkg in the new system, too."""
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd="/",
        env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        start_new_session=True,
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    if process.returncode != 0:
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        said = "; ".join(lines[-_LAST_LINES:]) or "it said nothing"
        raise DockerError(f"debootstrap of {printable(suite)} failed: {printable(said)}")


def _described(folder: Path, suite: str) -> Debian:
    for bindir in sorted((folder / "usr/lib/postgresql").glob("*/bin")):
        inside = Path("/") / bindir.relative_to(folder)
        answer = subprocess.run(
            ["chroot", folder, inside / "postgres", "--version"], capture_output=True, text=True, check=False, cwd="/"
        )
        if found := version_in(answer.stdout):
            return Debian(folder, suite, inside, *found)
    raise DockerError(f"the Debian suite {suite!r} installed no PostgreSQL server: name another with --suite")


def _remove(folder: Path) -> None:
    """Unmount what an interrupted debootstrap left mounted below, deepest first, and only then remove."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    for mounted in sorted((path for path in mounts if path.startswith(f"{folder}/")), reverse=True):
        ended = subprocess.run(["umount", "--lazy", mounted], capture_output=True, check=False)
        if ended.returncode != 0:
            raise DockerError(f"{mounted} is still mounted: unmount it and remove {folder}")
    shutil.rmtree(folder, ignore_errors=True)
