"""Making an image in the engine, so that an interrupted or repeated build leaves nothing else behind.

Owns: the Dockerfile, the build, and removing what a build replaces or leaves. Must not: choose the files.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pgreplterm.lab.docker import image_labels, labels
from pgreplterm.lab.docker.engine import Engine
from pgreplterm.lab.docker.errors import DockerError, InTheWay
from pgreplterm.lab.docker.rootfs import spooled
from pgreplterm.lab.docker.talk import stream

_STALLED = 300.0
"""Seconds without a word from the engine after which a build counts as failed."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """An image to be: its tag, what it is made of, the search path in it, and its own labels."""

    tag: str
    key: str
    origin: str
    path: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_labels(self) -> dict[str, str]:
        """Its own, with ours."""
        common = {labels.OWNER: labels.owner(), image_labels.KEY: self.key, image_labels.ORIGIN: self.origin}
        return {**common, **self.labels}

    def dockerfile(self) -> str:
        """Labels first, files last: whatever an interrupted build leaves is small and bears our name."""
        named = " ".join(f"{name}={_quoted(value)}" for name, value in self.all_labels.items())
        return (
            f"FROM scratch\nLABEL {named}\n"
            f"ENV PATH={_quoted(self.path)} LANG=C.UTF-8 HOME=/var/lib/postgresql\n"
            "STOPSIGNAL SIGINT\nADD rootfs.tar /\n"
        )


def build(engine: Engine, recipe: Recipe, write: Callable[[IO[bytes]], None]) -> None:
    """Build and tag it; write puts the files' tar into a stream. Raises InTheWay, NoSpace, DockerError."""
    _keep_others(engine, recipe)
    with spooled() as rootfs, spooled() as context:
        write(rootfs)
        _write_context(context, recipe.dockerfile(), rootfs)
        context.seek(0)
        parameters = {"t": recipe.tag, "rm": "1", "forcerm": "1"}
        is_built = False
        try:
            with engine.translated(f"building the image {recipe.tag}"):
                for _message in stream(engine, "/build", parameters, context, _STALLED):
                    pass  # step by step; only a failure is of interest
            is_built = True
        finally:
            _sweep(engine, recipe, replaced=is_built)


@contextmanager
def building(anchor: Path) -> Iterator[None]:
    """Hold the only right to build from that file, between processes and without a file of our own."""
    try:
        handle = os.open(anchor, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise DockerError(f"{anchor} cannot be read: {error.strerror}") from None
    try:
        with suppress(OSError):  # a network file system may refuse the lock: two builds are a waste, not a fault
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _keep_others(engine: Engine, recipe: Recipe) -> None:
    """Raises InTheWay when the tag is on an image that is not ours: building would take it away."""
    with engine.translated(f"looking for {recipe.tag}"):
        found = engine.client.api.images(name=recipe.tag)
    if any((image["Labels"] or {}).get(image_labels.KEY) != recipe.key for image in found):
        raise InTheWay(f"an image that is not ours is named {recipe.tag}: give it another name (docker tag)")


def _write_context(out: IO[bytes], dockerfile: str, rootfs: IO[bytes]) -> None:
    size = rootfs.tell()
    rootfs.seek(0)
    try:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
            text = dockerfile.encode()
            for name, content, length in (("Dockerfile", io.BytesIO(text), len(text)), ("rootfs.tar", rootfs, size)):
                entry = tarfile.TarInfo(name)
                entry.size = length
                tar.addfile(entry, content)
    except OSError as error:
        raise DockerError(f"the image's files cannot be put together: {error.strerror or error}") from None


def _sweep(engine: Engine, recipe: Recipe, replaced: bool) -> None:
    """Remove what interrupted builds from the same origin left and, if this one succeeded, what earlier ones made.

    An image that a container uses stays: the engine refuses to remove it.
    """
    filters = {"label": [image_labels.ours(), f"{image_labels.ORIGIN}={recipe.origin}"]}
    with suppress(DockerError), engine.translated("tidying up after a build"):
        found = engine.client.api.images(filters=filters)
        names = [(image["Id"], names_of(image)) for image in found]
        for image_id, tags in names:
            if recipe.tag in tags or (tags and not replaced):
                continue
            for name in tags or [image_id]:
                with suppress(DockerError), engine.translated("removing an old image"):
                    engine.client.api.remove_image(name)


def names_of(image: Mapping[str, Any]) -> list[str]:
    """The tags in the engine's description of an image; older engines describe having none as a tag."""
    return [name for name in image.get("RepoTags") or [] if name != "<none>:<none>"]


def _quoted(value: str) -> str:
    """A value as a Dockerfile takes it: in double quotes, without variables."""
    return json.dumps(value, ensure_ascii=False).replace("$", "\\$")
