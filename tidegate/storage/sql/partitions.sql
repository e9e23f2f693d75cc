-- Partitions by day of expiry. All of it runs as the tables' owner, under one lock.

-- name: lock
-- One process at a time, until the transaction ends. A table that is in use is left for the next time: whoever waits for
-- it makes everybody else wait behind.
SELECT pg_advisory_xact_lock(8388346167794168436);
SET LOCAL lock_timeout = '300ms'

-- name: drop_empty
-- Delete at most $2 conversations whose last item expired before $1, except those that others go on from, or in which a
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
-- For how many days the projects keep what was said, where that is limited.
SELECT DISTINCT retention_days FROM projects WHERE retention_days IS NOT NULL ORDER BY retention_days

-- name: there
-- Whether there is a table of that name.
SELECT to_regclass($1) IS NOT NULL

-- name: partitions
-- The weekly partitions of the tables $1.
SELECT child.relname AS name
FROM pg_inherits
JOIN pg_class AS parent ON parent.oid = inhparent
JOIN pg_class AS child ON child.oid = inhrelid
WHERE parent.relname = ANY($1::text[]) AND parent.relkind = 'p' AND child.relname ~ '_\d{8}$'
ORDER BY child.relname
