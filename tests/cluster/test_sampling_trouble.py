"""What a sample says when something waits, fails or is forbidden: on real servers, beside what plain SQL says."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest

from pgreplterm.cluster.activity import Activity, Recovery, Waiter, WalFolder
from pgreplterm.cluster.model import Missing, NodeSample, NodeState
from pgreplterm.cluster.sampling import session as sessions
from pgreplterm.cluster.sampling.session import Session, Unanswered
from pgreplterm.cluster.sampling.statements import Capabilities
from tests.wal.servers import EDGES

from .asking import HISTORY, ROLES, asking, plain, sampled, sampled_until
from .replicas import Cluster, Node, cluster


@pytest.fixture(scope="module", params=EDGES, ids=lambda major: f"pg{major}")
def pair(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A primary that archives (for now) and its standby."""
    with cluster(request.param, {"pg1": None, "s1": "pg1"}) as made:
        made["pg1"].stop()
        made["pg1"].configure(archive_mode="on", archive_command="true")
        made["pg1"].start()
        made["s1"].wait_for("status = 'streaming' from pg_stat_wal_receiver")
        yield made


@contextmanager
def configured(node: Node, restored: dict[str, str], **settings: str) -> Iterator[None]:
    """Settings for a while, loaded by a reload."""
    node.configure(**settings)
    node.sql("select pg_reload_conf()")
    try:
        yield
    finally:
        node.configure(**restored)
        node.sql("select pg_reload_conf()")


@contextmanager
def waiting_insert(node: Node) -> Iterator[None]:
    """A commit that no standby confirms; until the checkpointer has read the setting, commits do not wait."""
    over = threading.Event()

    def insert() -> None:
        while not over.is_set():
            node.sql("insert into t values (1)")

    done = threading.Thread(target=insert)
    done.start()
    try:
        yield
    finally:
        over.set()
        node.configure(synchronous_standby_names="")
        node.sql("select pg_reload_conf()")
        done.join(20)
        assert not done.is_alive()


async def relisted(session: Session, before: WalFolder | None) -> WalFolder:
    """The next list of pg_wal."""
    deadline = time.monotonic() + 20
    while (folder := await session.refresh(10)) is None or folder is before:
        assert time.monotonic() < deadline
    return folder


def recovery_of(sample: NodeSample) -> Recovery:
    assert sample.activity.recovery is not None
    return sample.activity.recovery


def waits_of(sample: NodeSample) -> tuple[str, str]:
    recovery = recovery_of(sample)
    return recovery.wait_event_type or "", (recovery.wait_event or "").lower()


@pytest.mark.parametrize("role", ROLES)
async def test_who_waits_for_a_synchronous_standby(pair: Cluster, role: str) -> None:
    node = pair["pg1"]
    query = "select pid, backend_xid::text::int8 as xid from pg_stat_activity where wait_event = 'SyncRep'"
    with (
        configured(node, {"synchronous_standby_names": ""}, synchronous_standby_names="nobody_is_called_this"),
        waiting_insert(node),
    ):
        await asyncio.to_thread(node.wait_for, f"count(*) = 1 from ({query}) as q")
        told = plain(node, query)
        sample = await sampled(node, role)
        waiters = sample.activity.waiters
        if role == "nobody_special":
            assert waiters is None
            assert "who waits for a synchronous standby" in {one.hidden for one in sample.missing_privileges}
        else:
            assert waiters is not None
            (waiter,) = waiters
            assert waiter == Waiter(told["pid"], told["xid"], waiter.waiting, "")
            assert told["xid"] is not None
            assert waiter.waiting is not None and 0 < waiter.waiting < 60
    async with asking(node, role) as session:
        over = await sampled_until(session, lambda seen: not seen.activity.waiters)
        assert over.activity.waiters == (None if role == "nobody_special" else ())


@pytest.mark.parametrize("role", ROLES)
async def test_a_failing_archiver_and_its_backlog(pair: Cluster, role: str) -> None:
    node = pair["pg1"]
    status = node.wal / "archive_status"
    with configured(node, {"archive_command": "true"}, archive_command="false"):
        failed = node.sql("select failed_count from pg_stat_archiver")
        for _ in range(3):
            node.sql("insert into t values (1)", "select pg_switch_wal()")
        await asyncio.to_thread(node.wait_for, f"failed_count > {failed} from pg_stat_archiver")
        sample = await sampled(node, role)
        archiver, folder = sample.activity.archiver, sample.activity.folder
        assert archiver is not None
        assert archiver.is_failing
        assert archiver.mode == "on"
        assert archiver.failed > failed
        assert archiver.last_failed_wal == node.sql("select last_failed_wal from pg_stat_archiver")
        if role == "nobody_special":
            assert folder is None
        else:
            ready = sorted(status.glob("*.ready"), key=lambda path: (path.stat().st_mtime, path.name))
            assert folder is not None
            assert (folder.ready, folder.oldest_ready) == (len(ready), ready[0].stem)
            assert folder.ready >= 3
            assert folder.oldest_ready_age is not None and 0 <= folder.oldest_ready_age < 60
    async with asking(node, role) as session:
        healed = await sampled_until(
            session, lambda seen: seen.activity.archiver and not seen.activity.archiver.is_failing
        )
        assert healed.activity.archiver is not None
        await asyncio.to_thread(_until, lambda: not list(status.glob("*.ready")))
        if role != "nobody_special":
            assert (await relisted(session, healed.activity.folder)).ready == 0


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("role", ROLES)
async def test_a_paused_replay(pair: Cluster, role: str) -> None:
    standby = pair["s1"]
    standby.sql("select pg_wal_replay_pause()")
    try:
        pair.write(rows=10)
        await asyncio.to_thread(standby.wait_for, "pg_get_wal_replay_pause_state() = 'paused'")
        await asyncio.to_thread(_startup_waits, standby, "recoverypause")
        sample = await sampled(standby, role)
        assert recovery_of(sample).pause_state == "paused"
        assert sample.replay_paused is True
        assert waits_of(sample) == (("", "") if role == "nobody_special" else ("IPC", "recoverypause"))
    finally:
        standby.sql("select pg_wal_replay_resume()")


@pytest.mark.parametrize("role", ["postgres", "watcher"])
async def test_a_delayed_replay(pair: Cluster, role: str) -> None:
    standby = pair["s1"]
    with configured(standby, {"recovery_min_apply_delay": "0"}, recovery_min_apply_delay="1h"):
        pair.write(rows=10)
        await asyncio.to_thread(_startup_waits, standby, "recoveryapplydelay")
        sample = await sampled(standby, role)
        assert recovery_of(sample).apply_delay == 3600.0
        assert waits_of(sample) == ("Timeout", "recoveryapplydelay")


async def test_a_replay_held_up_by_a_query_and_the_queries_it_cancels(pair: Cluster) -> None:
    primary, standby = pair["pg1"], pair["s1"]
    primary.sql("create table if not exists u as select generate_series(1, 100) as i")
    await asyncio.to_thread(standby.wait_for, "to_regclass('u') is not null")
    columns = "sum(confl_snapshot)::int as snapshot, sum(confl_lock)::int as lock"
    before = plain(standby, f"select {columns} from pg_stat_database_conflicts")
    async with asking(standby, "watcher") as session:
        # The startup process that waits for a query does not look whether the limit was changed meanwhile.
        with (
            configured(standby, {"max_standby_streaming_delay": "30s"}, max_standby_streaming_delay="1s"),
            suppress(psycopg.OperationalError),
            standby.connect() as reader,
        ):
            reader.execute("begin isolation level repeatable read")
            reader.execute("select count(*) from u")
            primary.sql("delete from u", "vacuum u", "insert into u values (1)")
            held = await sampled_until(session, lambda seen: waits_of(seen)[1].startswith("recoveryconflict"))
            assert waits_of(held) == ("IPC", "recoveryconflictsnapshot")
            counted = await sampled_until(session, lambda seen: _snapshots(seen) > before["snapshot"])
        told = plain(standby, f"select {columns} from pg_stat_database_conflicts")
    conflicts = recovery_of(counted).conflicts
    assert conflicts is not None
    assert (conflicts.snapshot, conflicts.lock) == (told["snapshot"], told["lock"])
    assert conflicts.total >= 1


def _snapshots(sample: NodeSample) -> int:
    conflicts = recovery_of(sample).conflicts
    return conflicts.snapshot if conflicts is not None else 0


def _startup_waits(node: Node, event: str) -> None:
    node.wait_for(
        f"exists (select from pg_stat_activity where backend_type = 'startup' and lower(wait_event) = '{event}')"
    )


async def test_a_reloaded_setting_is_seen_by_the_next_sample_and_none_is_sent_twice(pair: Cluster) -> None:
    node = pair["pg1"]
    async with asking(node, "watcher") as session:
        first = await session.sample(10)
        assert (await session.sample(10)).activity.settings is first.activity.settings
        with configured(node, {"wal_keep_size": "4GB"}, wal_keep_size="123MB"):
            await asyncio.to_thread(node.wait_for, "current_setting('wal_keep_size') = '123MB'")
            assert (await session.sample(10)).activity.setting("wal_keep_size") == "123"


async def test_the_folder_is_carried_from_sample_to_sample(pair: Cluster) -> None:
    """The list has its own pace: WAL that came meanwhile is not in it until it is asked anew."""
    node = pair["pg1"]
    async with asking(node) as session:
        folder = (await session.sample(10)).activity.folder
        node.sql("insert into t values (1)", "select pg_switch_wal()", "insert into t values (1)")
        assert folder is not None
        assert (await session.sample(10)).activity.folder is folder
        assert not session.refresh_is_due
        newer = await relisted(session, folder)
        assert newer.segments > folder.segments
        assert (await session.sample(10)).activity.folder is newer


async def test_a_pg_wal_that_cannot_be_listed_in_time_costs_one_attempt(
    pair: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "folder_sql", lambda *_: "select '{}'::json from pg_sleep(60)")
    async with asking(pair["pg1"]) as session:
        with pytest.raises(Unanswered) as caught:
            await session.sample(0.5)
        assert caught.value.state is NodeState.SILENT
        sample = await session.sample(10)
        assert sample.activity.folder is None
        assert sample.activity.control is not None
        assert await session.refresh(10) is None
    pair["pg1"].wait_for(
        "count(*) = 0 from pg_stat_activity where query like '%pg_sleep(60)' and pid <> pg_backend_pid()"
    )


async def test_a_pg_wal_that_takes_long_to_list_is_listed_seldom(
    pair: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most a hundredth of the time."""
    real = sessions.folder_sql

    def slow(major: int, capabilities: Capabilities) -> str:
        return f"select a.* from ({real(major, capabilities)}) as a, pg_sleep(0.3)"

    monkeypatch.setattr(sessions, "folder_sql", slow)
    async with asking(pair["pg1"]) as session:
        folder = (await session.sample(10)).activity.folder
        assert folder is not None
        assert await session.refresh(10) is folder
        monkeypatch.setattr(sessions, "FOLDER_SHARE", 1.0)
        assert await session.refresh(10) is folder, "the pause was set when the list was made"


@pytest.mark.parametrize(
    ("privilege", "hidden", "named"),
    [
        (
            "execute on function pg_control_checkpoint()",
            {"pg_control's last checkpoint", "the timeline while it streams from nobody"},
            "EXECUTE on function pg_control_checkpoint()",
        ),
        ("select on pg_stat_archiver", {"the archiver's counters"}, "SELECT on pg_stat_archiver"),
        ("select on pg_stat_wal", {"the volume of WAL written"}, "SELECT on pg_stat_wal"),
        (
            "select on pg_stat_database_conflicts",
            {"queries cancelled by replay"},
            "SELECT on pg_stat_database_conflicts",
        ),
    ],
)
async def test_what_was_revoked_from_public_is_left_out_and_named(
    pair: Cluster, privilege: str, hidden: set[str], named: str
) -> None:
    """EXECUTE is checked when a statement's plan starts: it must not mention what this role may not use."""
    standby = pair["s1"]
    before = await sampled(standby, "watcher")
    pair["pg1"].sql(f"revoke {privilege} from public")
    try:
        await asyncio.to_thread(_replayed, pair)
        sample = await sampled(standby, "watcher")
        assert {one for one in sample.missing_privileges if one.privilege != HISTORY} == {
            Missing(one, named) for one in hidden
        }
        assert known(before.activity) - known(sample.activity) == {_PARTS[named]}
        assert (await sampled(pair["pg1"], "nobody_special")).timeline == 1
    finally:
        pair["pg1"].sql(f"grant {privilege} to public")
        await asyncio.to_thread(_replayed, pair)


_PARTS = {
    "EXECUTE on function pg_control_checkpoint()": "control",
    "SELECT on pg_stat_archiver": "archiver",
    "SELECT on pg_stat_wal": "volume",
    "SELECT on pg_stat_database_conflicts": "conflicts",
}


def known(activity: Activity) -> set[str]:
    """The parts that are not None."""
    parts = {name for name in ("control", "checkpoints", "archiver", "volume", "folder") if getattr(activity, name)}
    return parts | ({"conflicts"} if activity.recovery and activity.recovery.conflicts else set())


def _replayed(pair: Cluster) -> None:
    end = pair["pg1"].sql("select pg_current_wal_lsn()")
    pair["s1"].wait_for(f"pg_last_wal_replay_lsn() >= '{end}'")


async def test_a_privilege_granted_or_revoked_meanwhile_is_noticed(pair: Cluster) -> None:
    """Nobody has to connect again: the rights are asked at the slow pace, and a refused statement asks at once."""
    node, grant = pair["pg1"], HISTORY.replace("EXECUTE", "execute")
    async with asking(node, "watcher") as session:
        assert (await session.sample(10)).missing_privileges != ()
        node.sql(f"grant {grant} to watcher")
        try:
            await session.refresh(10)
            assert (await session.sample(10)).missing_privileges == ()
        finally:
            node.sql(f"revoke {grant} from watcher")
        assert (await session.sample(10)).missing_privileges != ()


async def test_a_tick_is_one_statement(pair: Cluster) -> None:
    """By the server's own log."""
    node = pair["pg1"]
    log = node.folder / "log"
    async with asking(node, "watcher") as session:
        await session.sample(10)
        with configured(
            node, {"log_statement": "none", "log_line_prefix": "%m "}, log_statement="all", log_line_prefix="%a|"
        ):
            await asyncio.to_thread(node.wait_for, "current_setting('log_statement') = 'all'")
            start = log.stat().st_size
            for _ in range(5):
                await session.sample(10)
            said = log.read_bytes()[start:].decode().splitlines()
    assert sum(line.startswith("pgreplterm|LOG:  execute") for line in said) == 5
    assert sum(line.startswith("pgreplterm|LOG:  statement") for line in said) == 0
