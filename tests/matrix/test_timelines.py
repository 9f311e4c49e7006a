"""Timelines and rejoin verdicts on the majors that tests/cluster does not run. ``make matrix``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.replicas import Cluster
from tests.cluster.test_histories import CHAIN as HISTORY_CHAIN
from tests.cluster.test_histories import (  # noqa: F401
    promote,
    test_a_refusal_is_remembered_and_named,
    test_over_replication_once_for_all_ticks,
    test_the_first_look_is_whole_over_sql,
)
from tests.cluster.test_rejoin_live import (  # noqa: F401
    CHAIN,
    PAIR,
    TRIO,
    allow_seer,
    test_a_clean_stop_of_one_that_still_writes_passes_the_fork,
    test_a_diverged_standby_by_role,
    test_a_standby_whose_next_wal_is_gone_is_rebuilt,
    test_ahead_on_the_same_timeline_is_rebuilt,
    test_an_old_primary_with_a_tail_is_rewound_running_stopped_and_as_a_standby,
    test_once_its_wal_is_removed_it_is_rebuilt_and_pg_rewind_fails,
    test_one_that_was_killed_exactly_at_the_fork_follows_and_does,
    test_three_generations_down_a_cascade,
    test_two_standbys_promoted_at_different_points,
    test_two_standbys_promoted_at_the_same_point,
    test_without_checksums_and_hints_it_is_rebuilt_and_pg_rewind_refuses,
)
from tests.wal.servers import MAJORS as TESTED_ANYWAY

from .majors import MAJORS, require_installation
from .trees import tree

OTHERS = [major for major in MAJORS if major not in TESTED_ANYWAY]


@pytest.fixture(params=OTHERS, ids=lambda major: f"pg{major}")
def pair(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with tree(require_installation(request.param), PAIR) as made:
        allow_seer(made)
        yield made


@pytest.fixture(params=OTHERS, ids=lambda major: f"pg{major}")
def trio(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with tree(require_installation(request.param), TRIO) as made:
        allow_seer(made)
        yield made


@pytest.fixture(params=OTHERS, ids=lambda major: f"pg{major}")
def chain(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with tree(require_installation(request.param), CHAIN) as made:
        yield made


@pytest.fixture(scope="module", params=OTHERS, ids=lambda major: f"pg{major}")
def promoted(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with tree(require_installation(request.param), HISTORY_CHAIN) as made:
        promote(made)
        yield made
