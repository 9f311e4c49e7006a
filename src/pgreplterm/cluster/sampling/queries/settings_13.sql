-- pg_settings hides the rows this role may not read, where current_setting() would fail the whole statement.
-- It makes a row of text for each of some 400 settings, the dearest part of all: asked only when a reload happened.
-- Base units: wal_segment_size in bytes, wal_receiver_timeout in ms, wal_receiver_status_interval in s.
SELECT pg_catalog.json_object_agg(s.name, s.setting)
FROM pg_catalog.pg_settings AS s
WHERE s.name IN (
    'archive_mode', 'archive_timeout', 'checkpoint_completion_target', 'checkpoint_timeout', 'cluster_name',
    'data_checksums', 'effective_wal_level', 'fsync', 'full_page_writes', 'hot_standby_feedback',
    'idle_replication_slot_timeout', 'max_connections', 'max_locks_per_transaction', 'max_prepared_transactions',
    'max_replication_slots', 'max_slot_wal_keep_size', 'max_standby_archive_delay', 'max_standby_streaming_delay',
    'max_wal_senders', 'max_wal_size', 'max_worker_processes', 'min_wal_size', 'port', 'primary_conninfo',
    'primary_slot_name', 'recovery_min_apply_delay', 'recovery_prefetch', 'recovery_target_timeline',
    'reserved_connections', 'summarize_wal', 'superuser_reserved_connections', 'sync_replication_slots',
    'synchronized_standby_slots', 'synchronous_commit',
    'synchronous_standby_names', 'wal_compression', 'wal_keep_size', 'wal_level', 'wal_log_hints',
    'wal_receiver_status_interval', 'wal_receiver_timeout', 'wal_retrieve_retry_interval', 'wal_segment_size',
    'wal_sender_timeout'
)
