-- What waits for the archiver: also timeline histories and backup labels.
SELECT pg_catalog.json_build_object(
    'ready', pg_catalog.count(*),
    'oldest_ready', (pg_catalog.array_agg(pg_catalog."left"(f.name, -6) ORDER BY f.modification, f.name))[1],
    'oldest_ready_age', EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.min(f.modification))
)
FROM pg_catalog.pg_ls_archive_statusdir() AS f
WHERE f.name LIKE '%.ready'
