"""The statements by major and privilege, without a server: what each must and must not mention."""

from __future__ import annotations

import re

import pytest

from pgreplterm.cluster.sampling.privileges import missing_privileges
from pgreplterm.cluster.sampling.statements import (
    OPTIONAL_PARTS,
    Capabilities,
    capabilities_sql,
    denied_of,
    folder_sql,
    sample_sql,
)

MAJORS = range(13, 20)
EVERYTHING = Capabilities()
# Where each name may stand: the majors that have it, and no other.
BORN = {
    "pg_get_wal_replay_pause_state": 14,
    "pg_stat_wal AS": 14,
    "pg_stat_recovery_prefetch": 15,
    "confl_active_logicalslot": 16,
    "conflicting": 16,
    "pg_stat_checkpointer": 17,
    "inactive_since": 17,
    "num_done": 18,
}


@pytest.mark.parametrize("major", MAJORS)
def test_a_statement_mentions_what_its_major_has(major: int) -> None:
    statement = sample_sql(major, EVERYTHING)
    for name, first in BORN.items():
        assert (name in statement) == (major >= first), name
    assert ("pg_stat_bgwriter" in statement) == (major < 17)
    assert "($" not in statement
    assert "--" not in statement
    assert "pg_ls_" not in statement, "pg_wal is never listed in the fast tick"


@pytest.mark.parametrize("major", MAJORS)
def test_what_is_denied_is_not_mentioned_and_the_rest_is(major: int) -> None:
    denied = frozenset({"pg_read_binary_file", "pg_ls_waldir", "pg_ls_archive_statusdir", "pg_control_checkpoint"})
    statement = sample_sql(major, Capabilities(denied))
    assert not [name for name in denied if name in statement]
    assert {f"${number}" for number in (1, 2, 3)} == set(re.findall(r"\$\d", statement))
    assert "pg_stat_replication" in statement
    assert folder_sql(major, Capabilities(denied)) is None
    assert "pg_ls_archive_statusdir" not in (folder_sql(major, Capabilities(denied - {"pg_ls_waldir"})) or "")


@pytest.mark.parametrize("major", MAJORS)
def test_everything_optional_is_asked_about_and_named_when_denied(major: int) -> None:
    """A new file of queries cannot forget to say what its absence hides."""
    asked = set(re.findall(r"\w+", capabilities_sql(major)))
    mentioned = set(re.findall(r"pg_catalog\.(\w+)(?:\(| AS)", sample_sql(major, EVERYTHING)))
    needed = {name for name in mentioned if name.startswith(("pg_read", "pg_control_ch", "pg_stat_archiver"))}
    assert needed <= asked
    everything = Capabilities(frozenset(asked))
    for in_recovery in (False, True):
        named = missing_privileges(major, everything, in_recovery=in_recovery, reads_stats=True, reads_settings=True)
        shown_elsewhere = {"pause", "startup", "conflicts", "prefetch", "settled"} if not in_recovery else {"waiters"}
        parts = [one for one in OPTIONAL_PARTS if denied_of(one, major, everything) and one not in shown_elsewhere]
        assert len({one.hidden for one in named}) == len(parts)
        assert all(one.privilege.startswith(("EXECUTE on function ", "SELECT on ")) for one in named)
