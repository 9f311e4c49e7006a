SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
    'name', s.slot_name,
    'kind', s.slot_type,
    'active', s.active,
    'active_pid', s.active_pid,
    'restart_lsn', s.restart_lsn,
    'wal_status', s.wal_status,
    'safe_wal_size', s.safe_wal_size,
    'xmin_age', pg_catalog.age(s.xmin),
    'temporary', s.temporary
) ORDER BY s.slot_name), '[]')
FROM pg_catalog.pg_replication_slots AS s
