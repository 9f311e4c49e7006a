"""A relay that nothing disturbs, for tests of what disturbs one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pgreplterm.lab.link_condition import CLEAR
from pgreplterm.lab.process import wait_until
from tests.lab.relaying import PATIENCE, Wired, wired


@pytest.fixture(scope="module")
def module_wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wired]:
    """One relay for all tests of a module."""
    with wired(tmp_path_factory.mktemp("relay")) as both:
        yield both


@pytest.fixture
def wire(module_wire: Wired) -> Wired:
    """The same with nothing wrong and no connection."""
    module_wire[0].set(CLEAR)
    assert wait_until(lambda: module_wire[0].measured().connections == 0, PATIENCE)
    return module_wire
