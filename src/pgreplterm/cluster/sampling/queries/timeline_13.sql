-- The timeline of the WAL position. pg_control's own lags a promotion by up to a whole checkpoint, so on a
-- primary it is read off the segment being written, and on a streaming standby off the walreceiver.
SELECT CASE
    WHEN NOT pg_catalog.pg_is_in_recovery() THEN
        ('x' || pg_catalog."left"(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8))
            ::pg_catalog."bit"(32)::pg_catalog.int8
    ELSE COALESCE(
        (SELECT w.received_tli FROM pg_catalog.pg_stat_wal_receiver AS w WHERE w.status = 'streaming'),
        CASE WHEN $3::pg_catalog.int8 IS NOT NULL THEN ($settled)::pg_catalog.int8 END
    )
END
