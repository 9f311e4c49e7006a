-- Who streams from this node. Without pg_read_all_stats of each row only pid, user and application_name are shown;
-- pg_replication_slots is open to everyone, so the slot's name is known even then.
SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
    'pid', r.pid,
    'application_name', r.application_name,
    'client_addr', pg_catalog.host(r.client_addr),
    'client_port', r.client_port,
    'state', r.state,
    'sent_lsn', r.sent_lsn,
    'write_lsn', r.write_lsn,
    'flush_lsn', r.flush_lsn,
    'replay_lsn', r.replay_lsn,
    'write_lag', EXTRACT(epoch FROM r.write_lag),
    'flush_lag', EXTRACT(epoch FROM r.flush_lag),
    'replay_lag', EXTRACT(epoch FROM r.replay_lag),
    'sync_state', r.sync_state,
    'sync_priority', r.sync_priority,
    'reply_age', EXTRACT(epoch FROM pg_catalog.clock_timestamp() - r.reply_time),
    'slot_name', s.slot_name
) ORDER BY r.pid), '[]')
FROM pg_catalog.pg_stat_replication AS r
LEFT JOIN pg_catalog.pg_replication_slots AS s ON s.active_pid = r.pid
