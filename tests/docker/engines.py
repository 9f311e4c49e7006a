"""Whether there is a Docker Engine to test with."""

from __future__ import annotations

import functools
import os

import pytest

from pgreplterm.lab.docker.engine import connect, find
from pgreplterm.lab.docker.errors import DockerError

REQUIRED = "PGREPLTERM_REQUIRE_DOCKER"


def require_engine() -> None:
    """Skip the test, with the reason, when no engine answers; fail it where one is required."""
    reason = _why_not()
    if reason is None:
        return
    if os.environ.get(REQUIRED):
        pytest.fail(f"{REQUIRED} is set: {reason}")
    pytest.skip(reason)


@functools.cache
def _why_not() -> str | None:
    try:
        connect(find(None)).close()
    except DockerError as error:
        return str(error)
    return None
