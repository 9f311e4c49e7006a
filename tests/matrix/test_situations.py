"""``check`` in the situations of docs/check.md on the majors that tests/cluster does not run. ``make matrix``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.replicas import Cluster
from tests.cluster.test_check import (  # noqa: F401
    TREE,
    archiving,
    check,
    test_archiver_failing,
    test_healthy,
    test_idle,
    test_lagging,
    test_no_privilege,
    test_paused,
    test_pg_monitor_is_enough,
    test_slot_nearly_lost_then_lost,
    test_split_brain_then_diverged,
    test_stalled,
    test_sync_frozen,
    test_unreachable,
)
from tests.wal.servers import MAJORS as TESTED_ANYWAY

from .majors import MAJORS, require_installation
from .trees import tree

OTHERS = [major for major in MAJORS if major not in TESTED_ANYWAY]


@pytest.fixture(scope="module", params=OTHERS, ids=lambda major: f"pg{major}")
def steady(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster that archives, for faults that a test heals."""
    with tree(require_installation(request.param), TREE) as made:
        archiving(made)
        yield made


@pytest.fixture(params=OTHERS, ids=lambda major: f"pg{major}")
def doomed(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """One that its test may break for good."""
    with tree(require_installation(request.param), TREE) as made:
        yield made
