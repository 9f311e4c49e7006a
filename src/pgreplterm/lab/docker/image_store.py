"""The images this program built: which there are, who uses them, and removing them.

Owns: the list and the removal, both by label. Must not: touch an image without our label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pgreplterm.cluster.words import printable
from pgreplterm.lab.docker import image_labels
from pgreplterm.lab.docker.engine import Engine
from pgreplterm.lab.docker.errors import ImageMissing, InTheWay, NothingThere
from pgreplterm.lab.docker.image_build import names_of


@dataclass(frozen=True, slots=True)
class Built:
    """One image of ours; without tags when an interrupted build left it. size is in bytes, created in epoch seconds."""

    tags: tuple[str, ...]
    id: str
    kind: str
    version: str | None
    origin: str
    size: int
    created: float
    used_by: tuple[str, ...]

    @property
    def name(self) -> str:
        """How it is called: by a tag, or by its id."""
        return self.tags[0] if self.tags else self.id.removeprefix("sha256:")[:12]


def built(engine: Engine) -> list[Built]:
    """Our images, servers first and the newest first. Raises DockerError."""
    with engine.translated("listing the images built here"):
        found = engine.client.api.images(filters={"label": image_labels.ours()})
        each = [_described(engine, image) for image in found if image_labels.KIND in (image["Labels"] or {})]
    return sorted(sorted(each, key=lambda image: image.created, reverse=True), key=lambda image: image.kind)


def remove(engine: Engine, name: str) -> Built:
    """Remove one of ours, by tag or id. Raises ImageMissing, InTheWay when a container uses it, DockerError."""
    shown = printable(name)
    try:
        with engine.translated(f"looking for the image {shown}"):
            image_id = str(engine.client.images.get(name).id)
    except (ImageMissing, NothingThere):
        raise ImageMissing(f"there is no image {shown}: 'pgreplterm lab image ls' lists those built here") from None
    found = next((each for each in built(engine) if each.id == image_id), None)
    if found is None:
        raise InTheWay(f"the image {shown} was not built by this account: 'docker image rm {shown}' removes it")
    if found.used_by:
        users = ", ".join(found.used_by)
        raise InTheWay(f"the image {shown} is used by {users}: remove the lab first ('pgreplterm lab down')")
    for each in found.tags or (found.id,):  # it goes with its last name, and never by force
        with engine.translated(f"removing the image {printable(each)}"):
            engine.client.api.remove_image(each)
    return found


def remove_unused(engine: Engine) -> Iterator[Built]:
    """Remove all of ours that no container uses, one after the other; those removed. Raises DockerError."""
    for found in built(engine):
        if not found.used_by:
            yield remove(engine, found.id)


def _described(engine: Engine, image: Mapping[str, Any]) -> Built:
    ours = image["Labels"]
    users = engine.client.api.containers(all=True, filters={"ancestor": image["Id"]})
    names = [str(name).lstrip("/") for user in users for name in user.get("Names") or [user["Id"][:12]]]
    return Built(
        tags=tuple(names_of(image)),
        id=str(image["Id"]),
        kind=printable(str(ours[image_labels.KIND])),
        version=ours.get(image_labels.VERSION),
        origin=printable(str(ours.get(image_labels.ORIGIN, "?"))),
        size=int(image["Size"]),
        created=float(image["Created"]),
        used_by=tuple(printable(name) for name in names),
    )
