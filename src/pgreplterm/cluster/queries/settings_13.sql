-- pg_settings hides the rows this role may not read, where current_setting() would fail the whole statement.
-- Base units: wal_segment_size in bytes, wal_receiver_timeout in ms, wal_receiver_status_interval in s.
SELECT pg_catalog.json_object_agg(s.name, s.setting)
FROM pg_catalog.pg_settings AS s
WHERE s.name IN (
    'cluster_name', 'port', 'primary_conninfo', 'primary_slot_name', 'synchronous_standby_names',
    'wal_receiver_status_interval', 'wal_receiver_timeout', 'wal_segment_size'
)
