"""Which shared libraries programs need, by asking the system's dynamic loader as ldd does.

Owns: that question. Must not: know what the programs are for, or copy anything.

ldd is a shell script that starts the loader several times a file: 25 ms each. Asked directly, it takes 2 ms.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pgreplterm.lab.docker.errors import DockerError

_ASKING = {"LD_TRACE_LOADED_OBJECTS": "1", "PATH": os.defpath, "LC_ALL": "C"}
_PATH = re.compile(r"(?:=> |^\s*)(/\S+) \(0x")
_LOADER = re.compile(r"/ld[-a-z0-9_]*\.so|/ld-linux")
# glibc before 2.34 opens these by name when a program looks up a user or a host.
_OPENED_BY_NAME = ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")


def libraries(programs: Iterable[Path], modules: Iterable[Path]) -> set[Path]:
    """What those programs and shared libraries need, the loader included; not what is nowhere to be found.

    Raises DockerError where the loader cannot be asked (a static program, or a C library that is not glibc).
    """
    first, *others = programs
    found = _paths(_asked([str(first)], program=first))
    loader = next((path for path in found if _LOADER.search(str(path))), None)
    if loader is None:
        raise DockerError(f"the libraries of {first} cannot be listed: an image is built here only from glibc programs")
    with ThreadPoolExecutor() as pool:
        for answer in pool.map(lambda path: _asked([str(loader), str(path)], path), [*others, *modules]):
            found |= _paths(answer)
    for folder in {path.parent for path in found if path.name.startswith("libc.")}:
        found |= {folder / name for name in _OPENED_BY_NAME if (folder / name).exists()}
    return found


def _asked(argv: list[str], program: Path) -> str:
    try:
        answer = subprocess.run(argv, env=_ASKING, capture_output=True, text=True, check=False, timeout=30, cwd="/")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DockerError(f"the libraries of {program} cannot be listed: {error}") from None
    return answer.stdout


def _paths(answer: str) -> set[Path]:
    return {Path(found[1]) for line in answer.splitlines() if (found := _PATH.search(line))}
