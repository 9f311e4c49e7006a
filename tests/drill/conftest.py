"""Where the drills of these tests run: as local processes.

In containers the scenarios of ``scenarios/test_docker*`` run the same engine; with PGREPLTERM_THOROUGH=1 these do, too.
"""

from __future__ import annotations

import pytest

from pgreplterm.lab.backend import Kind
from tests.docker.engines import require_engine
from tests.wal.servers import THOROUGH


@pytest.fixture(params=list(Kind) if THOROUGH else [Kind.LOCAL])
def backend(request: pytest.FixtureRequest) -> Kind:
    """One after the other."""
    if request.param is Kind.DOCKER:
        require_engine()
    return Kind(request.param)
