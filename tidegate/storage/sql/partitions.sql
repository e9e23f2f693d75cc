-- Partitions by day of expiry. Everything runs as the tables' owner, under one lock.

-- name: lock
-- Let one process work at a time, until the transaction ends. A table in use is skipped until the next round: waiting
-- for it would make all later statements wait, too.
SELECT pg_advisory_xact_lock(8388346167794168436);
SET LOCAL lock_timeout = '300ms'

-- name: drop_empty
-- Delete at most $2 conversations whose last item expired before $1, except those that others continue, or in which a
-- response is being made.
WITH gone AS (
    DELETE FROM conversations
    WHERE (project, id) IN (
        SELECT project, id FROM conversations AS old
        WHERE last_expires < $1::date AND (leased_until IS NULL OR leased_until <= clock_timestamp())
            AND NOT EXISTS (SELECT FROM conversations AS later WHERE later.project = old.project AND later.parent = old.id)
        LIMIT $2
    )
    RETURNING id
)
SELECT count(*) FROM gone

-- name: retentions
-- Return the retention periods of the projects in days, where they are limited.
SELECT DISTINCT retention_days FROM projects WHERE retention_days IS NOT NULL ORDER BY retention_days

-- name: table_exists
-- Return whether a table of that name exists.
SELECT to_regclass($1) IS NOT NULL

-- name: partitions
-- Return the weekly partitions of the tables $1.
SELECT child.relname AS name
FROM pg_inherits
JOIN pg_class AS parent ON parent.oid = inhparent
JOIN pg_class AS child ON child.oid = inhrelid
WHERE parent.relname = ANY($1::text[]) AND parent.relkind = 'p' AND child.relname ~ '_\d{8}$'
ORDER BY child.relname
