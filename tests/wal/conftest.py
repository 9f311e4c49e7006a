"""Corpora as fixtures: each server runs once, for all processes of a run, and its WAL is gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import corpus as making
from .corpora import store
from .corpus import Corpus
from .servers import EDGES, MAJORS, THOROUGH, scratch_folder

SMALL_CORPORA = [(major, 1) for major in EDGES]
ALL_CORPORA = [(major, segment_mb) for segment_mb in (16, 1) for major in MAJORS]
CORPORA = ALL_CORPORA if THOROUGH else [*((major, 16) for major in MAJORS if major not in EDGES), *SMALL_CORPORA]
"""Each major, and each size of segment; both of each major when all are asked for."""
EACH_SIZE = ALL_CORPORA if THOROUGH else [(MAJORS[0], 1), (MAJORS[-2], 16)]
"""Each size of segment once, for what is the same code whatever the major."""


def corpus_name(params: tuple[int, int]) -> str:
    """How a corpus shows in a test's name."""
    return f"{params[0]}-{params[1]}MB"


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder readable by the servers' user."""
    with scratch_folder() as folder:
        yield folder


@pytest.fixture(scope="session", params=CORPORA, ids=corpus_name)
def corpus(request: pytest.FixtureRequest, scratch: Path) -> Corpus:
    """WAL of a real server, its major and segment size (MB) the parameter."""
    return store(*request.param, lambda folder: making.make(*request.param, folder, scratch / "server"))
