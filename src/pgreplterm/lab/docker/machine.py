"""Whether an engine runs on this machine, with its files and its accounts.

Owns: that judgement, from what the engine says of itself. Must not: ask the engine twice.

A lab's files are here, its servers run as the account that owns them here, and its relay listens on the engine's
networks from here. An engine in a virtual machine or without root has other files, other accounts, other networks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from pgreplterm.cluster.words import printable
from pgreplterm.lab.docker.engine import Engine
from pgreplterm.lab.docker.errors import EngineUnavailable
from pgreplterm.lab.docker.trouble import LOCALLY

_MAPPED = {"rootless": "without root", "userns": "with its users mapped to others"}


def require_this(engine: Engine) -> None:
    """Raises EngineUnavailable when a lab could not work with that engine; 0.03 s."""
    here = os.uname()
    reason = unfit(engine.info(), here.nodename, here.release)
    if reason is not None:
        raise EngineUnavailable(
            f"the Docker Engine at {engine.endpoint} {reason}: "
            f"a lab needs one that runs as root on this machine itself, {LOCALLY}"
        )


def unfit(info: Mapping[str, Any], host: str, kernel: str) -> str | None:
    """What is wrong with the engine of that ``docker info``, seen from the host of that name and kernel; or None."""
    options = info.get("SecurityOptions")
    names = [str(option) for option in options] if isinstance(options, Sequence) else []
    for option, meaning in _MAPPED.items():
        if any(f"name={option}" in name for name in names):
            return f"runs {meaning}"
    there = printable(str(info.get("Name", "?")))
    if "Docker Desktop" in str(info.get("OperatingSystem")):
        return "runs in Docker Desktop's virtual machine"
    if there != host or info.get("KernelVersion") != kernel:
        return f"runs on {there} (kernel {printable(str(info.get('KernelVersion', '?')))}), not on {host} ({kernel})"
    return None
