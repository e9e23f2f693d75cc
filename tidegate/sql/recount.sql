-- name: spent
-- What was spent in a UTC day ($1, as 2026-11-23) and in its month ($2, as 2026-11), by everybody, project, key and
-- end user: the counters that budgets are held against.
WITH spent AS (
    SELECT project, key_id, end_user, cost_nanos,
           to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD') = $1::text AS today
    FROM ledger
    WHERE at >= ($2::text || '-01')::timestamp AT TIME ZONE 'UTC'
      AND at < (($2::text || '-01')::timestamp + interval '1 month') AT TIME ZONE 'UTC'
      AND cost_nanos <> 0
), scoped AS (
    SELECT 'all' AS kind, NULL AS project, NULL AS name, cost_nanos, today FROM spent
    UNION ALL
    SELECT 'project', NULL, project, cost_nanos, today FROM spent
    UNION ALL
    SELECT 'key', NULL, key_id, cost_nanos, today FROM spent
    UNION ALL
    SELECT 'user', project, end_user, cost_nanos, today FROM spent WHERE end_user IS NOT NULL
), periods AS (
    SELECT kind, project, name, cost_nanos, $2::text AS period FROM scoped
    UNION ALL
    SELECT kind, project, name, cost_nanos, $1::text FROM scoped WHERE today
)
SELECT kind, project, name, period, sum(cost_nanos)::bigint AS cost_nanos
FROM periods
GROUP BY kind, project, name, period
