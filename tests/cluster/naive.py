"""The formulas people use, as they are found in dashboards, checks, wikis and answers; each is wrong somewhere.

Owns: their SQL, one function each, named after what it does. Must not: be used for anything but to be refuted:
``refutes`` holds one check against our answer, which must pass it, and against the popular one, which must not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from .replicas import Node

Answer = TypeVar("Answer")


def refutes(check: Callable[[Answer], None], *, ours: Answer, naive: Answer) -> None:
    """Our answer passes the check, and the same check fails on the naive one."""
    check(ours)
    with pytest.raises(AssertionError):
        check(naive)


def current_segment(node: Node) -> str:
    """Traps 1 and 2: the segment being written, asked of the server."""
    return str(node.sql("select pg_walfile_name(pg_current_wal_lsn())"))


def segment_of(node: Node, lsn: str) -> str:
    """Trap 2: the segment of an LSN, asked of the server."""
    return str(node.sql(f"select pg_walfile_name('{lsn}')"))


def replay_lag_or_zero(upstream: Node, name: str) -> float:
    """Trap 3: replay_lag, NULL taken for "no lag"."""
    lag = "coalesce(extract(epoch from replay_lag), 0)::float8"
    return float(upstream.sql(f"select {lag} from pg_stat_replication where application_name = '{name}'"))


def is_gone_when_lag_is_null(upstream: Node, name: str) -> bool:
    """Trap 3: NULL taken for "not replicating"."""
    return bool(upstream.sql(f"select replay_lag is null from pg_stat_replication where application_name = '{name}'"))


def zero_when_received_is_replayed(standby: Node) -> float:
    """Trap 4: the formula of the PostgreSQL wiki and most exporters."""
    return float(
        standby.sql(
            "select case when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0 "
            "else extract(epoch from now() - pg_last_xact_replay_timestamp()) end"
        )
    )


def seconds_without_a_message(standby: Node) -> float:
    """Trap 5: how long the walreceiver has not heard anything."""
    return float(standby.sql("select extract(epoch from now() - last_msg_receipt_time) from pg_stat_wal_receiver"))


def seconds_without_news(standby: Node) -> float:
    """Trap 5: how long ago the upstream last reported a new end of WAL."""
    return float(standby.sql("select extract(epoch from now() - latest_end_time) from pg_stat_wal_receiver"))


def seconds_since_last_commit(standby: Node) -> float | None:
    """Traps 6 and 20: the age of the last replayed commit as the lag."""
    age: Any = standby.sql("select extract(epoch from now() - pg_last_xact_replay_timestamp())")
    return None if age is None else float(age)


def received(standby: Node) -> str | None:
    """Trap 7: what a standby holds, for choosing whom to promote."""
    lsn: str | None = standby.sql("select pg_last_wal_receive_lsn()::text")
    return lsn


def received_but_not_replayed(standby: Node) -> int:
    """Trap 7: the replay gap from the standby's own two positions."""
    return int(standby.sql("select pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())"))


def is_standby_when_it_has_received(node: Node) -> bool:
    """Trap 8: the role inferred from the LSN functions."""
    return bool(node.sql("select pg_last_wal_receive_lsn() is not null"))


def control_timeline(node: Node) -> int:
    """Trap 9: the timeline out of pg_control."""
    return int(node.sql("select timeline_id from pg_control_checkpoint()"))


def rows_of_pg_stat_replication(upstream: Node) -> int:
    """Traps 10, 18 and 19: every row is a standby, and every standby is a row."""
    return int(upstream.sql("select count(*) from pg_stat_replication"))


def has_walreceiver(standby: Node) -> bool:
    """Trap 10: a standby with a walreceiver is attached."""
    return bool(standby.sql("select pg_is_in_recovery() and exists (select from pg_stat_wal_receiver)"))


def synchronous_standbys(primary: Node) -> int:
    """Trap 11: the rows that say sync."""
    return int(primary.sql("select count(*) from pg_stat_replication where sync_state = 'sync'"))


def names_between_commas(setting: str) -> list[str]:
    """Traps 11 and 12: synchronous_standby_names as a list of names."""
    return [name.strip() for name in setting.split(",")]


def number_in_front(setting: str) -> int:
    """Trap 12: how many must confirm, by a regular expression."""
    found = re.match(r"(?:ANY|FIRST)? *(\d+)", setting)
    return int(found[1]) if found else 1


def slot_in_danger(primary: Node, name: str) -> bool:
    """Trap 13: a slot is fine until its wal_status says otherwise."""
    fine = "coalesce(wal_status, 'reserved') in ('reserved', 'extended')"
    return not primary.sql(f"select {fine} from pg_replication_slots where slot_name = '{name}'")


def retained_bytes(node: Node, name: str) -> int:
    """Trap 13: the WAL a slot holds back, NULL taken for nothing."""
    kept = "coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)"
    return int(node.sql(f"select {kept} from pg_replication_slots where slot_name = '{name}'"))


def log_says_slot_is_lost(log: str) -> bool:
    """Trap 14: the invalidation as PostgreSQL 13 to 15 word it."""
    return re.search(r"invalidating slot .* because its restart_lsn .* exceeds max_slot_wal_keep_size", log) is not None


def requested_checkpoints(node: Node) -> int:
    """Trap 15: where the counter was until 16."""
    return int(node.sql("select checkpoints_req from pg_stat_bgwriter"))


def wal_bytes(node: Node) -> int:
    """Trap 16: WAL written so far, from the statistics."""
    return int(node.sql("select wal_bytes from pg_stat_wal"))


def archiver_has_failed(node: Node) -> bool:
    """Trap 17: any failure counted is a failing archiver, none is a working one."""
    return bool(node.sql("select failed_count > 0 from pg_stat_archiver"))


def seconds_since_reply(upstream: Node, name: str) -> float:
    """Trap 20: how fresh the standby's word is."""
    age = "extract(epoch from now() - reply_time)"
    return float(upstream.sql(f"select {age} from pg_stat_replication where application_name = '{name}'"))
