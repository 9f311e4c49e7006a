"""Corpora as fixtures: each server runs once a session, and its WAL is removed when the last test on it is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import corpus as making
from .corpus import Corpus
from .servers import EDGES, MAJORS, scratch_folder

CORPORA = [*((major, 16) for major in MAJORS), *((major, 1) for major in EDGES)]
SMALL_CORPORA = [(major, 1) for major in EDGES]


def corpus_name(params: tuple[int, int]) -> str:
    """How a corpus shows in a test's name."""
    return f"{params[0]}-{params[1]}MB"


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder readable by the servers' user."""
    with scratch_folder() as folder:
        yield folder


@pytest.fixture(scope="session", params=CORPORA, ids=corpus_name)
def corpus(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Corpus]:
    """WAL of a real server, its major and segment size (MB) the parameter."""
    with scratch_folder() as folder:
        yield making.make(*request.param, folder / "wal", scratch / "server")
