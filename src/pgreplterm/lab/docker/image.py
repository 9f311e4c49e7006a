"""The image a lab's servers run from: found, pulled or built.

Owns: the order in which an image is looked for. Must not: make one, or run a server.

The order: the image the user names; an official ``postgres:MAJOR`` that is here; one built here from the same files;
``postgres:MAJOR`` from a registry, if one answers at once; else one is built here from the server of this machine.
"""

from __future__ import annotations

import os
from pathlib import Path

from pgreplterm.lab import binaries
from pgreplterm.lab.docker import image_files, image_labels, registry
from pgreplterm.lab.docker.engine import Engine
from pgreplterm.lab.docker.errors import ImageMissing
from pgreplterm.lab.docker.image_build import names_of
from pgreplterm.lab.docker.image_facts import Image, find, inspect
from pgreplterm.lab.docker.image_make import (
    Narrate,
    bindir_here,
    build,
    build_debian,
    build_here,
    server_recipe,
    sidecar,
)

__all__ = ["Image", "build", "build_debian", "build_here", "ensure", "inspect", "sidecar"]

NEWEST_MAJOR = 18
"""What a lab runs when nobody says and this machine has no server."""


def ensure(engine: Engine, server: int | Path | None, wanted: str | None, narrate: Narrate) -> Image:
    """The image for servers of a major version, of exactly that bin directory, or (None) of what this machine has.

    wanted is an image the user names, and goes before all. Raises ImageMissing, NoSpace, DockerError, LabError.
    """
    if wanted is not None:
        return _named(engine, wanted, narrate)
    if isinstance(server, Path) or (server is None and os.environ.get(binaries.ENVIRONMENT_VARIABLE)):
        return build(engine, binaries.locate(server), narrate)
    bindir = bindir_here(server)
    major = server or (image_files.version_of(bindir)[1] if bindir else NEWEST_MAJOR)
    official = f"postgres:{major}"
    if found := find(engine, official):
        return inspect(engine, official, found)
    if kept := _built_before(engine, bindir, major):
        return kept
    if registry.has(engine, official, registry.SHORT if bindir else registry.PATIENT):
        registry.pull(engine, official, narrate)
        return inspect(engine, official)
    if bindir is None:
        raise ImageMissing(
            f"there is no image {official} here, no registry answers, and this machine has no PostgreSQL {major} to "
            "build one from: name an image with --image, or pip install 'pgreplterm[embedded]'"
        )
    narrate(f"{official} is not here and no registry answers: building an image from {bindir}")
    return build(engine, bindir, narrate)


def _named(engine: Engine, wanted: str, narrate: Narrate) -> Image:
    if find(engine, wanted) is None:
        registry.pull(engine, wanted, narrate)
    return inspect(engine, wanted)


def _built_before(engine: Engine, bindir: Path | None, major: int) -> Image | None:
    """The image built from that bin directory as it is now; without one, the newest of that major."""
    if bindir is not None:
        recipe = server_recipe(bindir)
        found = find(engine, recipe.tag)
        return (
            inspect(engine, recipe.tag, found) if found and found.labels.get(image_labels.KEY) == recipe.key else None
        )
    wanted = [f"{image_labels.KIND}={image_labels.SERVER}", f"{image_labels.MAJOR}={major}"]
    with engine.translated("looking for images built here"):
        kept = [image for image in engine.client.api.images(filters={"label": wanted}) if names_of(image)]
    newest = max(kept, key=lambda image: float(image["Created"]), default=None)
    return inspect(engine, names_of(newest)[0]) if newest else None
