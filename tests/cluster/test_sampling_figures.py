"""Every figure of a sample beside what plain SQL and PostgreSQL's own programs say, for each role and each major.

The clusters are idle, so what does not tick by itself is the same before and after.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from pgreplterm.cluster.activity import Archiver, Checkpoints, Conflicts, ControlData, Prefetch, WalVolume
from pgreplterm.cluster.model import Missing, NodeSample
from pgreplterm.wal.lsn import LSN

from .asking import HISTORY, ROLES, asking, major_of, plain, sampled, sampled_until
from .replicas import Cluster, Node

EVERY_ROLE = pytest.mark.parametrize("role", ROLES)
EVERY_NODE = pytest.mark.parametrize("name", ["pg1", "s1", "leaf"])
# Seconds between a sample and the plain query beside it, on a busy machine.
NEAR = 20.0


def lsn(text: str) -> LSN:
    return LSN.parse(text)


def control_data(node: Node) -> dict[str, str]:
    lines = node.run("pg_controldata", "-D", node.data).stdout.splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@EVERY_ROLE
@EVERY_NODE
async def test_identity_and_positions(calm: Cluster, name: str, role: str) -> None:
    node = calm[name]
    before = plain(node, POSITIONS)
    sample = await sampled(node, role)
    after = plain(node, POSITIONS)
    assert sample.server_version_num == before["version"]
    assert str(sample.system_identifier) == control_data(node)["Database system identifier"]
    assert (sample.cluster_name, sample.port, sample.in_recovery) == (name, 5432, name != "pg1")
    assert sample.wal_segment_size == before["segment"]
    for field in ("write_lsn", "flush_lsn", "replay_lsn"):
        value = getattr(sample, field)
        if before[field] is None:
            assert value is None
        else:
            assert lsn(before[field]) <= value <= lsn(after[field])


POSITIONS = """
    select current_setting('server_version_num')::int as version,
        pg_size_bytes(current_setting('wal_segment_size')) as segment,
        case when not pg_is_in_recovery() then pg_current_wal_lsn()::text end as write_lsn,
        case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_flush_lsn() end::text
            as flush_lsn,
        case when pg_is_in_recovery() then pg_last_wal_replay_lsn()::text end as replay_lsn
"""


@EVERY_ROLE
@EVERY_NODE
async def test_control_data_is_pg_controldatas(calm: Cluster, name: str, role: str) -> None:
    node = calm[name]
    told = control_data(node)
    control = (await sampled(node, role)).activity.control
    assert isinstance(control, ControlData)
    assert control.checkpoint_lsn == lsn(told["Latest checkpoint location"])
    assert control.redo_lsn == lsn(told["Latest checkpoint's REDO location"])
    assert control.timeline == int(told["Latest checkpoint's TimeLineID"])
    assert control.has_checksums == (told["Data page checksum version"] != "0")
    age = plain(node, "select extract(epoch from now() - checkpoint_time)::float8 as age from pg_control_checkpoint()")
    assert 0 <= age["age"] - control.checkpoint_age < NEAR
    end = told["Minimum recovery ending location"]
    assert control.min_recovery_end_lsn == (None if end == "0/0" or lsn(end) == 0 else lsn(end))
    assert (control.min_recovery_end_timeline is None) == (name == "pg1")


@EVERY_ROLE
@EVERY_NODE
async def test_checkpoints_are_the_views(calm: Cluster, name: str, role: str) -> None:
    """The view moves at 17 and gains num_done at 18."""
    node, major = calm[name], major_of(calm[name])
    view = "pg_stat_checkpointer" if major >= 17 else "pg_stat_bgwriter"
    row = plain(node, f"select * from {view}")
    seen = (await sampled(node, role)).activity.checkpoints
    assert isinstance(seen, Checkpoints)
    assert (seen.timed, seen.requested, seen.done) == (
        row["num_timed" if major >= 17 else "checkpoints_timed"],
        row["num_requested" if major >= 17 else "checkpoints_req"],
        row.get("num_done"),
    )
    assert (seen.restartpoints_timed, seen.restartpoints_requested, seen.restartpoints_done) == (
        row.get("restartpoints_timed"),
        row.get("restartpoints_req"),
        row.get("restartpoints_done"),
    )
    assert (seen.done is not None, seen.restartpoints_done is not None) == (major >= 18, major >= 17)
    write, sync, buffers = (
        ("write_time", "sync_time", "buffers_written")
        if major >= 17
        else ("checkpoint_write_time", "checkpoint_sync_time", "buffers_checkpoint")
    )
    assert seen.write_time == pytest.approx(row[write] / 1000)
    assert seen.sync_time == pytest.approx(row[sync] / 1000)
    assert seen.buffers_written == row[buffers]
    assert seen.stats_age is not None


@EVERY_ROLE
async def test_a_checkpoint_is_counted(calm: Cluster, role: str) -> None:
    node = calm["pg1"]
    async with asking(node, role) as session:
        before = await session.sample(10)
        node.sql("select pg_switch_wal()", "checkpoint")
        of = (
            ("num_requested", "pg_stat_checkpointer")
            if major_of(node) >= 17
            else ("checkpoints_req", "pg_stat_bgwriter")
        )
        node.wait_for(f"{of[0]} > {_checkpoints(before).requested} from {of[1]}")
        after = await session.sample(10)
    assert _checkpoints(after).requested == _checkpoints(before).requested + 1
    assert before.activity.control is not None and after.activity.control is not None
    assert after.activity.control.checkpoint_lsn > before.activity.control.checkpoint_lsn
    if major_of(node) >= 18:
        assert _checkpoints(after).done == (_checkpoints(before).done or 0) + 1


def _checkpoints(sample: NodeSample) -> Checkpoints:
    assert sample.activity.checkpoints is not None
    return sample.activity.checkpoints


@EVERY_ROLE
@EVERY_NODE
async def test_wal_volume_is_the_views(calm: Cluster, name: str, role: str) -> None:
    query = "select wal_records, wal_fpi, wal_bytes, wal_buffers_full from pg_stat_wal"
    before = plain(calm[name], query)
    seen = (await sampled(calm[name], role)).activity.volume
    after = plain(calm[name], query)
    assert isinstance(seen, WalVolume)
    for field, column in (
        ("records", "wal_records"),
        ("images", "wal_fpi"),
        ("bytes", "wal_bytes"),
        ("buffers_full", "wal_buffers_full"),
    ):
        assert before[column] <= getattr(seen, field) <= after[column]
    assert (seen.bytes > 0) == (name == "pg1")


@EVERY_ROLE
@EVERY_NODE
async def test_archiver_is_the_views(calm: Cluster, name: str, role: str) -> None:
    row = plain(calm[name], "select * from pg_stat_archiver")
    seen = (await sampled(calm[name], role)).activity.archiver
    assert isinstance(seen, Archiver)
    assert (seen.mode, seen.archived, seen.failed) == ("off", row["archived_count"], row["failed_count"])
    assert (seen.last_archived_wal, seen.last_archived_age, seen.is_failing) == (None, None, False)


@EVERY_ROLE
@EVERY_NODE
async def test_recovery_is_a_standbys_only(calm: Cluster, name: str, role: str) -> None:
    node, major = calm[name], major_of(calm[name])
    recovery = (await sampled(node, role)).activity.recovery
    if name == "pg1":
        assert recovery is None
        return
    assert recovery is not None
    assert (recovery.pause_state, recovery.apply_delay) == ("not paused", 0.0)
    waits = plain(node, "select wait_event_type, wait_event from pg_stat_activity where backend_type = 'startup'")
    told = (None, None) if role == "nobody_special" else (waits["wait_event_type"], waits["wait_event"])
    assert (recovery.wait_event_type, recovery.wait_event) == told
    row = plain(node, f"select {_sums(major)} from pg_stat_database_conflicts")
    assert recovery.conflicts == Conflicts(**{"logical_slot": None, **row})
    row = plain(node, f"select {_PREFETCH} from pg_stat_recovery_prefetch")
    assert isinstance(recovery.prefetch, Prefetch)
    assert {column: getattr(recovery.prefetch, column) for column in row} == row


@EVERY_ROLE
@EVERY_NODE
async def test_sessions_are_the_clients_and_the_oldest_is_whose_began_first(
    calm: Cluster, name: str, role: str
) -> None:
    node = calm[name]
    with node.connect() as first, node.connect() as second:
        for session in (first, second):
            session.execute("begin isolation level repeatable read")
            session.execute("select 1 from pg_class")
        seen = (await sampled(node, role)).activity.sessions
        if role == "nobody_special":
            assert seen is None
            return
        assert seen is not None and seen.oldest is not None
        assert (seen.clients, seen.idle_in_transaction) == (3, 2)
        assert (seen.oldest.pid, seen.oldest.state) == (first.info.backend_pid, "idle in transaction")
        assert 0 < seen.oldest.age < NEAR
        assert seen.oldest.xmin_age == 0
    async with asking(node, role) as session:
        after = await sampled_until(
            session, lambda sample: sample.activity.sessions and not sample.activity.sessions.oldest
        )
    last = after.activity.sessions
    assert last is not None
    assert (last.clients, last.idle_in_transaction, last.oldest) == (1, 0, None)


def _sums(major: int) -> str:
    columns = {"tablespace": "tablespace", "lock": "lock", "snapshot": "snapshot", "bufferpin": "buffer_pin"}
    columns |= {"deadlock": "deadlock"} | ({"active_logicalslot": "logical_slot"} if major >= 16 else {})
    return ", ".join(f'sum(confl_{column})::int as "{name}"' for column, name in columns.items())


_PREFETCH = (
    "prefetch as prefetched, hit as hits, skip_init as skipped_init, skip_new as skipped_new,"
    " skip_fpw as skipped_image, skip_rep as skipped_repeated, wal_distance, block_distance, io_depth"
)


@EVERY_ROLE
@EVERY_NODE
async def test_settings_are_pg_settings(calm: Cluster, name: str, role: str) -> None:
    """By name, in base units, and never a connection string."""
    seen = dict((await sampled(calm[name], role)).activity.settings)
    with calm[name].connect() as session:
        told: dict[str, Any] = dict(session.execute("select name, setting from pg_settings").fetchall())
    assert seen == {one: told[one] for one in seen}
    assert {"max_wal_size", "wal_keep_size", "max_slot_wal_keep_size", "synchronous_commit"} < set(seen)
    assert {"checkpoint_timeout", "archive_mode", "wal_log_hints", "data_checksums", "full_page_writes"} < set(seen)
    assert {"max_wal_senders", "max_replication_slots", "hot_standby_feedback", "wal_level"} < set(seen)
    assert ("summarize_wal" in seen) == (major_of(calm[name]) >= 17)
    assert ("idle_replication_slot_timeout" in seen) == (major_of(calm[name]) >= 18)
    assert "primary_conninfo" not in seen


@pytest.mark.parametrize("role", ["postgres", "watcher"])
@EVERY_NODE
async def test_the_folder_is_what_lies_there(calm: Cluster, name: str, role: str) -> None:
    sample = await sampled(calm[name], role)
    folder = sample.activity.folder
    assert folder is not None
    files = [path for path in calm[name].wal.iterdir() if path.is_file()]
    assert folder.segments == sum(re.fullmatch("[0-9A-F]{24}", path.name) is not None for path in files)
    assert folder.bytes == sum(path.stat().st_size for path in files)
    assert (folder.ready, folder.oldest_ready, folder.oldest_ready_age) == (0, None, None)
    assert abs(sample.taken_at - folder.taken_at) < NEAR


@EVERY_ROLE
async def test_walsenders_and_slots_are_the_views(calm: Cluster, role: str) -> None:
    node, hidden = calm["pg1"], role == "nobody_special"
    sample = await sampled(node, role)
    with node.connect() as session:
        rows = session.execute("select pid, application_name, state, sync_state from pg_stat_replication").fetchall()
        slots = session.execute("select slot_name, active_pid, restart_lsn::text from pg_replication_slots").fetchall()
    told = {pid: (rest[0], None, None) if hidden else rest for pid, *rest in rows}
    assert {one.pid: [one.application_name, one.state, one.sync_state] for one in sample.senders} == {
        pid: list(rest) for pid, rest in told.items()
    }
    assert {(one.name, one.active_pid) for one in sample.slots} == {(name, pid) for name, pid, _ in slots}
    assert all(one.kind == "physical" and one.temporary is False for one in sample.slots)
    major = major_of(node)
    assert {one.failover for one in sample.slots} == {False if major >= 17 else None}
    assert {one.synced for one in sample.slots} == {False if major >= 17 else None}
    assert {one.conflicting for one in sample.slots} == {None}  # NULL for a physical slot


@EVERY_NODE
async def test_everything_hidden_is_named_with_what_shows_it(calm: Cluster, name: str) -> None:
    assert (await sampled(calm[name], "postgres")).missing_privileges == ()
    watcher = await sampled(calm[name], "watcher")
    assert watcher.missing_privileges == (Missing("the history of its timeline", HISTORY),)
    assert watcher.missing_privilege is None
    nobody = await sampled(calm[name], "nobody_special")
    hidden = {missing.hidden: missing.privilege for missing in nobody.missing_privileges}
    expected = {
        "walsenders' states and positions": "pg_monitor",
        "primary_conninfo's host and port": "pg_monitor",
        "the history of its timeline": HISTORY,
        "sessions and their transactions": "pg_monitor",
        "pg_wal's files and size": "pg_monitor",
        "WAL that waits for the archiver": "pg_monitor",
    }
    if name == "pg1":
        expected["who waits for a synchronous standby"] = "pg_monitor"
    else:
        expected["the walreceiver's upstream, timeline and positions"] = "pg_monitor"
        expected["what replay waits for"] = "pg_monitor"
    assert hidden == expected
    assert nobody.missing_privilege == "pg_monitor"
    assert (nobody.activity.folder, nobody.activity.waiters) == (None, None)


async def test_only_statistics_hidden_names_the_narrower_role(calm: Cluster) -> None:
    calm["pg1"].sql("create role settings_only login in role pg_read_all_settings")
    try:
        sample = await sampled(calm["pg1"], "settings_only")
        assert sample.missing_privilege == "pg_read_all_stats"
        privileges = {missing.privilege for missing in sample.missing_privileges}
        assert "EXECUTE on function pg_ls_waldir()" in privileges
        assert "pg_monitor" not in privileges
    finally:
        calm["pg1"].sql("drop role settings_only")
