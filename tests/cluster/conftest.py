"""Clusters to watch: one shared by tests that leave it as it was, one of its own for a test that does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wal.servers import MAJORS

from .replicas import Cluster, cluster

NEWEST = 18


@pytest.fixture(scope="session", params=MAJORS, ids=lambda major: f"pg{major}")
def calm(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A primary, two standbys and a cascade, for each major, that nobody may hurt."""
    with cluster(request.param) as made:
        yield made


@pytest.fixture(scope="module")
def sturdy() -> Iterator[Cluster]:
    """The same on one major, for faults that are healed before the test ends."""
    with cluster(NEWEST) as made:
        yield made


@pytest.fixture(params=[15, NEWEST], ids=lambda major: f"pg{major}")
def doomed(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A primary and two standbys to break for good."""
    with cluster(request.param, {"pg1": None, "s1": "pg1", "s2": "pg1"}) as made:
        yield made
