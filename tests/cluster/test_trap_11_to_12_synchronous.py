"""Traps 11 and 12: what synchronous_standby_names asks for, and who answers to it, by the server's own word."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread

import psycopg
import pytest
from psycopg import sql

from pgreplterm.cluster.model import ClusterSnapshot, Sender
from pgreplterm.cluster.synchronous import Method, SyncRule, SyncRuleError, parse_synchronous_standby_names
from tests.wal.servers import EDGES

from . import naive
from .naive import refutes
from .replicas import Cluster, cluster
from .watching import until, watch

ACCEPTED = (
    'a', 'a, b', '2 (a, b)', 'FIRST 2 (a,b)', 'any 1 (a)', '*', 'ANY 1 (*)', '"b-c"', '1', '1,2', '3 (1, 2)', '"a""b"',
    '"any"', '9 (a)', 'ä', 'a$b', '"*"', '"A", a, A', 'first1', 'any 1(a,"x y")', '""', '0', '007 (a)', '*,*', ' a\t,b',
)  # fmt: skip
REFUSED = (
    '  ', 'ANY 0 (a)', 'first 1 a', 'b-c', '"', 'any', 'first, b', 'FIRST 2 (any)', 'a b', 'a,', '(a)', 'ANY 1 ()',
    'ANY (a)', '$a', '1a', '1 a', 'ANY 1 (a) b', 'ANY 1 (a', 'a.b', '00 (a)', '*a', 'a*', '-1 (a)', '1.5 (a)', ',', ')',
    'FIRST 1 (a), b', '-- x', 'any 1 1', '1 (', 'first 1 (a,)',
)  # fmt: skip


@pytest.fixture(scope="module", params=EDGES, ids=lambda major: f"pg{major}")
def three(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A primary with two standbys, s1 and s2."""
    with cluster(request.param, {"pg1": None, "s1": "pg1", "s2": "pg1"}) as made:
        yield made


def ask_for(three: Cluster, setting: str) -> None:
    """Set synchronous_standby_names, or have the server refuse it."""
    with three["pg1"].connect() as session:
        session.execute(sql.SQL("alter system set synchronous_standby_names = {}").format(sql.Literal(setting)))
        session.execute("select pg_reload_conf()")


async def seen_with(three: Cluster, setting: str, *shown: tuple[str, int]) -> tuple[SyncRule, tuple[Sender, ...]]:
    """What is sampled once the server shows these (application_name, sync_priority): our rule, and the walsenders.

    Each walsender reads a changed setting when it wakes, so for a moment they may differ.
    """

    def is_in_force(seen: ClusterSnapshot) -> bool:
        sample = seen.nodes[0].sample
        if sample is None or sample.synchronous_standby_names != setting:
            return False
        return sorted((one.application_name, one.sync_priority) for one in sample.senders) == sorted(shown)

    ask_for(three, setting)
    async with watch(three) as sampler:
        sample = (await until(sampler, is_in_force)).nodes[0].sample
    assert sample is not None
    rule = parse_synchronous_standby_names(setting)
    assert rule is not None
    return rule, sample.senders


async def test_trap_11_a_quorum_has_no_row_that_says_sync(three: Cluster) -> None:
    """And names fit whatever their case."""

    def check_count(count: int) -> None:
        assert count == 2

    def check_names(names: list[str]) -> None:
        assert names == ["s1", "s2"]

    rule, senders = await seen_with(three, "ANY 1 (S1, s2)", ("s1", 1), ("s2", 1))
    named = sorted(one.application_name for one in rule.candidates(senders))
    there = [one.application_name for one in senders]
    listed = [name for name in naive.names_between_commas("S1, s2") if name in there]
    assert {one.sync_state for one in senders} == {"quorum"}
    refutes(check_count, ours=len(named), naive=naive.synchronous_standbys(three["pg1"]))
    refutes(check_names, ours=named, naive=listed)


async def test_trap_11_who_is_absent_has_no_row(three: Cluster) -> None:
    """Commits wait for ever, and every row there is looks as it should."""

    def check(missing: int) -> None:
        assert missing == 1

    rule, senders = await seen_with(three, "FIRST 2 (s1, ghost)", ("s1", 1), ("s2", 0))
    assert rule.absent(senders) == ("ghost",)
    missing_rows = sum(one.sync_state not in ("sync", "async") for one in senders)
    refutes(check, ours=rule.count - len(rule.candidates(senders)), naive=missing_rows)


async def test_trap_11_two_standbys_of_one_name_both_count(three: Cluster) -> None:
    def check(enough: bool) -> None:
        assert enough

    three["s2"].configure(primary_conninfo=f"host={three['pg1'].folder} user=postgres application_name=s1")
    three["s2"].sql("select pg_reload_conf()")
    try:
        twins = "count(*) = 2 from pg_stat_replication where application_name = 's1' and state = 'streaming'"
        three["pg1"].wait_for(twins)
        rule, senders = await seen_with(three, "FIRST 2 (s1)", ("s1", 1), ("s1", 1))
        assert {one.sync_state for one in senders} == {"sync"}
        naively = len(naive.names_between_commas("s1")) >= rule.count
        refutes(check, ours=len(rule.candidates(senders)) >= rule.count, naive=naively)
    finally:
        three["s2"].follow(three["pg1"])
        three["s2"].sql("select pg_reload_conf()")
    three["pg1"].wait_for("count(*) = 1 from pg_stat_replication where application_name = 's2'")


@pytest.mark.parametrize(
    ("setting", "count", "s1", "s2"),
    [
        ('"s1", "S2"', 1, 1, 2),
        ("any 2 (s1, s2)", 2, 1, 1),
        ("2 (s2,s1)", 2, 2, 1),
        ("first 1 (*)", 1, 1, 1),
        ('"s1,s2", s2', 1, 0, 2),
    ],
)
async def test_trap_12_the_rule_is_a_grammar(three: Cluster, setting: str, count: int, s1: int, s2: int) -> None:
    """Whom the server gives a priority, the parsed rule fits; splitting at commas and counting digits do not."""
    rule, _ = await seen_with(three, setting, ("s1", s1), ("s2", s2))

    def check(answer: tuple[int, list[int]]) -> None:
        assert answer == (count, [s1, s2])

    priorities = [rule.priority(name) or 0 for name in ("s1", "s2")]
    if rule.method is Method.ANY:  # of a quorum the server shows 1 for all
        priorities = [min(one, 1) for one in priorities]
    split = naive.names_between_commas(setting)
    places = [split.index(name) + 1 if name in split else 0 for name in ("s1", "s2")]
    refutes(check, ours=(rule.count, priorities), naive=(naive.number_in_front(setting), places))


def test_trap_12_what_the_server_takes_is_what_we_take(three: Cluster) -> None:
    for setting in ACCEPTED:
        ask_for(three, setting)
        assert parse_synchronous_standby_names(setting) is not None, setting
    for setting in REFUSED:
        with pytest.raises((psycopg.errors.SyntaxError, psycopg.errors.InvalidParameterValue)):
            ask_for(three, setting)
        with pytest.raises(SyncRuleError, match="expected"):
            parse_synchronous_standby_names(setting)
    ask_for(three, "")
    assert parse_synchronous_standby_names("") is None


def test_trap_12_a_count_beyond_the_list_is_taken_and_never_met(three: Cluster) -> None:
    ask_for(three, "FIRST 3 (s1, s2)")
    rule = parse_synchronous_standby_names("FIRST 3 (s1, s2)")
    assert rule is not None
    assert rule.count > len(rule.names)
    pg1 = three["pg1"]
    said: list[str] = []
    waiting = "from pg_stat_activity where wait_event = 'SyncRep'"
    with pg1.connect() as session:
        session.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
        # No statement_timeout ends this: it is off by the time a transaction commits.
        write = Thread(target=session.execute, args=("insert into t values (1)",))
        write.start()
        try:
            pg1.wait_for(f"count(*) = 1 {waiting}")
        finally:
            pg1.sql(f"select pg_cancel_backend(pid) {waiting}")
            write.join(20)
    assert said == ["canceling wait for synchronous replication due to user request"]
    ask_for(three, "")
