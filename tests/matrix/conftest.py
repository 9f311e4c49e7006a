"""One server a major and segment size, as a fixture; its WAL is removed when the last test on it is done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .corpus import MatrixCorpus, written
from .majors import MAJORS, require_installation

PARAMS = [(major, segment_mb) for major in MAJORS for segment_mb in (16, 1)]


@pytest.fixture(scope="session", params=PARAMS, ids=lambda param: f"{param[0]}-{param[1]}MB")
def written_wal(request: pytest.FixtureRequest) -> Iterator[MatrixCorpus]:
    """WAL of a real server, its major and segment size (MB) the parameter."""
    major, segment_mb = request.param
    with written(require_installation(major), segment_mb) as corpus:
        yield corpus
