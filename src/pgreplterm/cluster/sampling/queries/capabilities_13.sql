-- Asked once per connection: which of the functions and relations that the other statements mention this role may
-- not use. A CASE cannot guard a call: EXECUTE is checked when the plan starts, not when the call is reached, so a
-- statement for a role without it must not mention the function at all.
SELECT pg_catalog.json_build_object('denied', (
    SELECT COALESCE(pg_catalog.json_agg(d.name), '[]')
    FROM (
        SELECT p.proname::pg_catalog.text AS name
        FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
            AND p.proname = ANY ('{($functions)}'::pg_catalog.name[])
            -- The form with missing_ok is the one used, and the one to grant.
            AND (p.proname <> 'pg_read_binary_file' OR p.pronargs = 4)
            AND NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
        UNION
        SELECT c.relname::pg_catalog.text
        FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace
            AND c.relname = ANY ('{($relations)}'::pg_catalog.name[])
            AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')
    ) AS d
))
