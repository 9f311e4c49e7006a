"""Images that others made: whether a registry can be reached, and pulling one.

Owns: that question within a bounded time, and the pull. Must not: choose which image.

The engine is asked, not the registry: only the engine knows its mirrors and its proxy.
"""

from __future__ import annotations

from collections.abc import Callable

from pgreplterm.lab.docker.engine import Engine
from pgreplterm.lab.docker.errors import DockerError
from pgreplterm.lab.docker.talk import ask, stream

SHORT = 1.5
"""Seconds to wait for a registry where there is another way to an image."""
PATIENT = 20.0
"""Seconds to wait for it where there is none."""
_STALLED = 120.0


def has(engine: Engine, image: str, patience: float) -> bool:
    """Whether a registry answers within patience seconds, and has that image."""
    try:
        with engine.translated(f"asking the registry for {image}"):
            ask(engine, f"/distribution/{image}/json", patience)
    except DockerError:
        return False
    return True


def pull(engine: Engine, image: str, narrate: Callable[[str], None]) -> None:
    """Fetch an image by name. Raises ImageMissing, NoSpace, DockerError."""
    name, _, tag = image.partition("@") if "@" in image else _split(image)
    narrate(f"pulling {image}; this happens once")
    with engine.translated(f"pulling {image}"):
        for _message in stream(engine, "/images/create", {"fromImage": name, "tag": tag}, None, _STALLED):
            pass  # layer by layer; only a failure is of interest


def _split(image: str) -> tuple[str, str, str]:
    """The name and the tag: a colon after the last slash, else the tag is latest."""
    head, slash, last = image.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{head}{slash}{name}", ":", tag or "latest"
