-- The walreceiver, if one runs. Without pg_read_all_stats only its pid is shown.
-- conninfo is left out on purpose: it is not needed, and what is not fetched cannot leak.
SELECT pg_catalog.json_build_object(
    'pid', w.pid,
    'status', w.status,
    'sender_host', w.sender_host,
    'sender_port', w.sender_port,
    'slot_name', w.slot_name,
    'received_timeline', w.received_tli,
    'written_lsn', w.written_lsn,
    'flushed_lsn', w.flushed_lsn,
    'latest_end_lsn', w.latest_end_lsn,
    'last_message_age', EXTRACT(epoch FROM pg_catalog.clock_timestamp() - w.last_msg_receipt_time)
)
FROM pg_catalog.pg_stat_wal_receiver AS w
