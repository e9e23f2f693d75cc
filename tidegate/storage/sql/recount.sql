-- name: spent
-- Sum the spending of a UTC day ($1, as 2026-11-23) and of its month ($2, as 2026-11) for the installation, each
-- project, key and end user (`kind` says which). Budgets are checked against these counters. Entries that have not
-- reached the table yet ($3, a JSON array) are included, each call once. The calls in $4 are left out, because they are
-- counted elsewhere.
WITH waiting AS (
    SELECT DISTINCT ON (id)
        id, to_timestamp(at) AS at, project, key_id, left(end_user, 256) AS end_user, outcome,
        coalesce(cost_nanos, 0) AS cost_nanos
    FROM jsonb_to_recordset($3::text::jsonb) AS line (
        id text, at double precision, project text, key_id text, end_user text, outcome text, cost_nanos bigint
    )
    ORDER BY id, outcome = 'lost'
), lines AS (
    SELECT id, at, project, key_id, end_user, cost_nanos
    FROM ledger
    WHERE NOT (outcome = 'lost' AND EXISTS (SELECT FROM waiting WHERE waiting.id = ledger.id AND outcome <> 'lost'))
    UNION ALL
    SELECT id, at, project, key_id, end_user, cost_nanos
    FROM waiting
    WHERE NOT EXISTS (
        SELECT FROM ledger
        WHERE ledger.id = waiting.id AND NOT (ledger.outcome = 'lost' AND waiting.outcome <> 'lost')
    )
), spent AS (
    SELECT project, key_id, end_user, cost_nanos,
           to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD') = $1::text AS today
    FROM lines
    WHERE at >= ($2::text || '-01')::timestamp AT TIME ZONE 'UTC'
      AND at < (($2::text || '-01')::timestamp + interval '1 month') AT TIME ZONE 'UTC'
      AND id <> ALL ($4::text[])
)
SELECT
    CASE grouping(project, key_id, end_user) WHEN 7 THEN 'all' WHEN 3 THEN 'project' WHEN 5 THEN 'key' ELSE 'user' END
        AS kind,
    project, key_id, end_user,
    coalesce(sum(cost_nanos) FILTER (WHERE today), 0)::bigint AS day_nanos,
    coalesce(sum(cost_nanos), 0)::bigint AS month_nanos
FROM spent
GROUP BY GROUPING SETS ((), (project), (key_id), (project, end_user))
