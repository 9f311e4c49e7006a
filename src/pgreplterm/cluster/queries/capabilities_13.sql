-- Asked once per connection. A CASE cannot guard these: EXECUTE is checked when the plan starts, not when the
-- call is reached, so a sample for a role without them must not mention the functions at all.
SELECT pg_catalog.json_build_object(
    'reads_history', pg_catalog.has_function_privilege(
        'pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)', 'EXECUTE'),
    'lists_wal', pg_catalog.has_function_privilege('pg_catalog.pg_ls_waldir()', 'EXECUTE')
)
