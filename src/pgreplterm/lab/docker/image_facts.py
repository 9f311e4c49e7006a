"""What is known of an image: where its server is, and which.

Owns: finding an image by name, and its facts. Must not: make or fetch one.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.cluster.words import printable
from pgreplterm.lab.docker import image_labels, labels
from pgreplterm.lab.docker.engine import Engine
from pgreplterm.lab.docker.errors import DockerError, ImageMissing
from pgreplterm.lab.docker.image_files import version_in

if TYPE_CHECKING:
    from docker.models.images import Image as EngineImage

LOOK = 'p=$(command -v postgres) && readlink -f "$p" && "$p" --version'
_LOOK_TIMEOUT = 30


@dataclass(frozen=True, slots=True)
class Image:
    """An image with a PostgreSQL server: bindir is the folder of its programs, version such as "18.6"."""

    tag: str
    id: str
    bindir: Path
    version: str
    major: int


def find(engine: Engine, tag: str) -> EngineImage | None:
    """The image of that name, if it is here. Raises DockerError."""
    try:
        with engine.translated(f"looking for the image {tag}"):
            return engine.client.images.get(tag)
    except ImageMissing:
        return None


def inspect(engine: Engine, tag: str, known: EngineImage | None = None) -> Image:
    """The facts of an image: from our labels, or by running it once. Raises ImageMissing, DockerError."""
    found = known or find(engine, tag)
    if found is None:
        raise ImageMissing(f"there is no image {printable(tag)} here: 'docker images' lists those there are")
    ours = found.labels or {}
    if ours.get(image_labels.KIND) == image_labels.SERVER:
        with suppress(KeyError, ValueError):
            return Image(
                tag,
                str(found.id),
                Path(ours[image_labels.BINDIR]),
                ours[image_labels.VERSION],
                int(ours[image_labels.MAJOR]),
            )
    return _looked_into(engine, tag, str(found.id))


def _looked_into(engine: Engine, tag: str, image_id: str) -> Image:
    """Run it once, without network, to ask where its server is and which."""
    with engine.translated(f"looking into the image {tag}"):
        container = engine.client.containers.create(
            image_id,
            ["sh", "-c", LOOK],
            entrypoint=[],
            network_mode="none",
            labels={labels.OWNER: labels.owner()},
        )
        try:
            container.start()
            container.wait(timeout=_LOOK_TIMEOUT)
            said = container.logs().decode(errors="replace").strip().splitlines()
        finally:
            container.remove(v=True, force=True)
    found = version_in(said[1]) if len(said) == 2 else None
    if found is None:
        raise DockerError(
            f"the image {printable(tag)} is none of a PostgreSQL server: no 'postgres' was found in its search path"
        )
    return Image(tag, image_id, Path(said[0]).parent, *found)
