"""One server's facts, asked one by one: what it refuses stays unknown and costs nothing else.

Owns: the statements and what their rows mean. Must not: connect, or keep a password: of primary_conninfo only the user
leaves the server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pgreplterm.drill.preflight.facts import HbaRule, NodeFacts, Setting, Traces

Ask = Callable[[str], Sequence[Sequence[Any]] | None]
"""Rows of one statement; None when the server would not, or could not, answer it."""

_NAMES = (
    "archive_command,archive_mode,cluster_name,config_file,data_checksums,data_directory,full_page_writes,hba_file,"
    "hot_standby,listen_addresses,max_connections,max_locks_per_transaction,max_prepared_transactions,"
    "max_replication_slots,max_wal_senders,max_worker_processes,port,primary_conninfo,primary_slot_name,"
    "recovery_min_apply_delay,recovery_target_timeline,restore_command,server_version_num,shared_preload_libraries,"
    "ssl_cert_file,synchronous_standby_names,unix_socket_directories,wal_level,wal_log_hints"
)
_SETTINGS = f"""
SELECT name, CASE name WHEN 'primary_conninfo' THEN '' ELSE setting END, source, sourcefile, pending_restart,
       CASE name WHEN 'primary_conninfo' THEN substring(setting from '(?:^|\\s)user\\s*=\\s*''?([^\\s'']+)') END
  FROM pg_catalog.pg_settings WHERE name = ANY ('{{{_NAMES}}}')
"""
_ERRORS = """
SELECT f.sourcefile || ':' || f.sourceline || ': ' || f.name || ': ' || f.error
  FROM pg_catalog.pg_file_settings AS f LEFT JOIN pg_catalog.pg_settings AS s ON s.name = f.name
 WHERE f.error IS NOT NULL AND NOT coalesce(s.pending_restart, false)
"""
_TRANSACTIONS = """
SELECT extract(epoch FROM clock_timestamp() - xact_start)::float FROM pg_catalog.pg_stat_activity
 WHERE backend_type = 'client backend' AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
"""
_MAY_SEE = "SELECT pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'usage')"
_PREPARED = "SELECT extract(epoch FROM clock_timestamp() - prepared)::float FROM pg_catalog.pg_prepared_xacts"
_BACKUPS = "SELECT count(*) FROM pg_catalog.pg_stat_progress_basebackup"
_EXCLUSIVE_BACKUP = "SELECT pg_catalog.pg_is_in_backup()::int WHERE NOT pg_catalog.pg_is_in_recovery()"  # until 14
_READY = "SELECT count(*) FROM pg_catalog.pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
_HBA = """
SELECT type, database, user_name, address, netmask, auth_method FROM pg_catalog.pg_hba_file_rules WHERE error IS NULL
"""
_REPLICATION_ROLES = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolcanlogin AND (rolreplication OR rolsuper)"
_SIZE = """
SELECT sum(pg_catalog.pg_database_size(oid))::bigint FROM pg_catalog.pg_database
 WHERE pg_catalog.has_database_privilege(oid, 'connect')
"""
_TABLESPACES = "SELECT count(*) FROM pg_catalog.pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')"
_SUPERUSER = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
_APPLICATIONS = """
SELECT DISTINCT application_name FROM pg_catalog.pg_stat_activity
 WHERE application_name <> '' AND pid <> pg_backend_pid()
"""
_ROLES = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname NOT LIKE 'pg\\_%'"
_SCHEMAS = """
SELECT n.nspname FROM pg_catalog.pg_namespace AS n JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
 WHERE (n.nspname, c.relname) IN (('repmgr', 'nodes'), ('pgautofailover', 'node'))
"""
_EXTENSIONS = "SELECT extname FROM pg_catalog.pg_extension"
_SLOTS = "SELECT slot_name FROM pg_catalog.pg_replication_slots"


def read_node(ask: Ask) -> NodeFacts:
    """Everything about one server."""
    settings, user = _settings(ask(_SETTINGS))
    version = settings.get("server_version_num") if settings else None
    return NodeFacts(
        settings=settings,
        settings_errors=_column(ask(_ERRORS)),
        walsenders=_one(ask("SELECT count(*) FROM pg_catalog.pg_stat_replication")),
        slots=_one(ask("SELECT count(*) FROM pg_catalog.pg_replication_slots")),
        transactions=_column(ask(_TRANSACTIONS)) if _one(ask(_MAY_SEE)) else None,
        prepared=_column(ask(_PREPARED)),
        backups=_backups(ask, int(version.value) if version else None),
        archive_ready=_one(ask(_READY)),
        hba=_hba(ask(_HBA)),
        replication_roles=None if (names := _column(ask(_REPLICATION_ROLES))) is None else frozenset(names),
        replication_user=user,
        size=_one(ask(_SIZE)),
        tablespaces=_one(ask(_TABLESPACES)),
        is_superuser=_one(ask(_SUPERUSER)),
        traces=_traces(ask),
    )


def _settings(rows: Sequence[Sequence[Any]] | None) -> tuple[dict[str, Setting] | None, str | None]:
    """pg_settings hides from a lesser role what it may not read: such a name is left out, and so unknown."""
    if not rows:
        return None, None
    user = next((row[5] for row in rows if row[0] == "primary_conninfo"), None)
    return {name: Setting(value, source, of_file, pending) for name, value, source, of_file, pending, _ in rows}, user


def _backups(ask: Ask, version: int | None) -> int | None:
    streaming: int | None = _one(ask(_BACKUPS))
    if streaming is None or version is None or version >= 150000:
        return streaming
    exclusive = ask(_EXCLUSIVE_BACKUP)
    return None if exclusive is None else int(streaming) + int(_one(exclusive) or 0)


def _hba(rows: Sequence[Sequence[Any]] | None) -> tuple[HbaRule, ...] | None:
    if rows is None:
        return None
    return tuple(
        HbaRule(kind, tuple(databases or ()), tuple(users or ()), address, netmask, method)
        for kind, databases, users, address, netmask, method in rows
    )


def _traces(ask: Ask) -> Traces | None:
    found = [_column(ask(each)) for each in (_APPLICATIONS, _ROLES, _SCHEMAS, _EXTENSIONS, _SLOTS)]
    return None if all(each is None for each in found) else Traces(*(each or () for each in found))


def _one(rows: Sequence[Sequence[Any]] | None) -> Any:
    return rows[0][0] if rows else None


def _column(rows: Sequence[Sequence[Any]] | None) -> tuple[Any, ...] | None:
    return None if rows is None else tuple(row[0] for row in rows)
