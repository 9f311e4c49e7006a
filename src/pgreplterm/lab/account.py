"""Which operating-system account the servers run as.

Owns: choosing that account and the ``subprocess`` options that become it. Must not: start anything.

PostgreSQL refuses to run as root ("root" execution of the PostgreSQL server is not permitted), so root drops
to another uid; everybody else runs servers as themselves.
"""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from pgreplterm.lab.errors import LabError


class SpawnOptions(TypedDict, total=False):
    """The identity part of ``subprocess.Popen``'s keyword arguments."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """The uid and gid of the servers, and whether becoming them is a change of identity."""

    name: str
    uid: int
    gid: int
    dropped: bool

    @property
    def spawn_options(self) -> SpawnOptions:
        """All three, because ``user`` alone would leave the child in root's groups."""
        if not self.dropped:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a file or directory to this account."""
        if self.dropped:
            os.chown(path, self.uid, self.gid)


def server_account() -> Account:
    """Ourselves; or, as root, whoever called sudo, else ``postgres``, else ``nobody``.

    Raises LabError when root finds none of them: initdb needs an account with a passwd entry.
    """
    if os.geteuid() != 0:
        return Account(str(os.geteuid()), os.geteuid(), os.getegid(), dropped=False)
    for entry in _unprivileged():
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, dropped=True)
    raise LabError(
        "PostgreSQL refuses to run as root, and neither SUDO_UID nor an account named postgres or nobody exists: "
        "run pgreplterm as an ordinary user"
    )


def _unprivileged() -> list[pwd.struct_passwd]:
    found = []
    sudo_uid = os.environ.get("SUDO_UID", "")
    if sudo_uid.isdigit() and int(sudo_uid) != 0:
        with suppress(KeyError):  # a uid without a passwd entry cannot run initdb
            found.append(pwd.getpwuid(int(sudo_uid)))
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            found.append(pwd.getpwnam(name))
    return found
