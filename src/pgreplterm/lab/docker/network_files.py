"""The network tools of this machine as an image: ip, iptables, tc, and what they load.

Owns: which files those are, and a short key of them. Must not: run them, or build.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from pgreplterm.lab.docker import closure, system_files
from pgreplterm.lab.docker.rootfs import Rootfs
from pgreplterm.lab.docker.system_files import SHELL

NEEDED = (SHELL, "ip", "iptables")
WELCOME = ("tc", "iptables-nft", "iptables-legacy", "ip6tables", "cat", "sleep", "true")


def rootfs() -> Rootfs:
    """ip, iptables and tc with what they load. Raises DockerError when the host has no ip or iptables."""
    root = Rootfs()
    programs = list(system_files.programs(NEEDED, WELCOME))
    modules = list(_extensions(programs))
    for module in modules:
        root.add(module)
    system_files.add_programs(root, programs, closure.libraries(programs, modules))
    for folder in (Path("/etc/iproute2"), Path("/usr/share/iproute2"), Path("/usr/lib/tc")):
        if folder.is_dir():
            root.add_tree(folder)
    if (protocols := Path("/etc/protocols")).exists():
        root.add(protocols)
    system_files.add_accounts(root)
    root.open_folders |= {Path("/tmp"), Path("/run")}
    return root


def key() -> str:
    """A short digest of which tools."""
    digest = hashlib.sha256(f"{system_files.RECIPE}\nnetwork\n".encode())
    for path in system_files.programs(NEEDED, WELCOME):
        facts = path.stat()
        digest.update(f"{path} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


def _extensions(programs: Iterable[Path]) -> Iterator[Path]:
    """iptables opens one module a match and target; where they are is compiled in, beside the libraries."""
    wanted = ("libxt_*.so", "libipt_*.so", "libip6t_*.so")
    for library in closure.libraries([path for path in programs if path.name == "iptables"], []):
        folder = library.resolve().parent / "xtables"
        if library.name.startswith("libxtables.") and folder.is_dir():
            yield from sorted(path for pattern in wanted for path in folder.glob(pattern))
