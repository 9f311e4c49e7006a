"""A missing major is told, never passed over: skipped with a reason here, a failure where all are promised."""

from __future__ import annotations

import pytest

from .servers import find_bin, require_bin

NEVER_INSTALLED = 7


def test_a_missing_major_skips_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGREPLTERM_ALL_MAJORS", raising=False)
    assert find_bin(NEVER_INSTALLED) is None
    with pytest.raises(pytest.skip.Exception, match="no PostgreSQL 7 here"):
        require_bin(NEVER_INSTALLED)


def test_a_missing_major_fails_where_all_are_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGREPLTERM_ALL_MAJORS", "1")
    with pytest.raises(pytest.fail.Exception, match="no PostgreSQL 7 here"):
        require_bin(NEVER_INSTALLED)
