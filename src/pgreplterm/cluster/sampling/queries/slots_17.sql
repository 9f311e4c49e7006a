-- inactive_since, invalidation_reason, failover and synced appeared in 17.
SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
    'name', s.slot_name,
    'kind', s.slot_type,
    'active', s.active,
    'active_pid', s.active_pid,
    'restart_lsn', s.restart_lsn,
    'wal_status', s.wal_status,
    'safe_wal_size', s.safe_wal_size,
    'xmin_age', pg_catalog.age(s.xmin),
    'inactive_age', EXTRACT(epoch FROM pg_catalog.clock_timestamp() - s.inactive_since),
    'invalidation_reason', s.invalidation_reason,
    'temporary', s.temporary,
    'conflicting', s.conflicting,
    'failover', s.failover,
    'synced', s.synced
) ORDER BY s.slot_name), '[]')
FROM pg_catalog.pg_replication_slots AS s
