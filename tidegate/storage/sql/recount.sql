-- What budget counters are rebuilt from. The queries `spent` and `spent_by_tag` begin with WITH and the part `calls`.

-- name: calls
-- The calls of a month (from $3 until before $4, Unix seconds) and of a week ($7, $8), and whether each was in that month,
-- in that week, and on the day from $1 until before $2.
-- Entries that have not reached the table yet ($5, a JSON array without hits) are included, each call once: as in the
-- query `insert` of ledger.sql, a call's own entry counts before a lost one, and both before a hit. The calls in $6 are
-- left out, because they are counted elsewhere.
waiting AS (
    SELECT DISTINCT ON (id)
        id, to_timestamp(at) AS at, project, key_id, left(end_user, 256) AS end_user, outcome,
        coalesce(cost_nanos, 0) AS cost_nanos, tags
    FROM jsonb_to_recordset($5::text::jsonb) AS line (
        id text, at double precision, project text, key_id text, end_user text, outcome text, cost_nanos bigint,
        tags jsonb
    )
    ORDER BY id, outcome = 'lost'
), lines AS (
    SELECT id, at, project, key_id, end_user, cost_nanos, tags
    FROM ledger
    WHERE NOT (outcome = 'lost' AND EXISTS (SELECT FROM waiting WHERE waiting.id = ledger.id AND outcome <> 'lost'))
    UNION ALL
    SELECT id, at, project, key_id, end_user, cost_nanos, tags
    FROM waiting
    WHERE NOT EXISTS (
        SELECT FROM ledger
        WHERE ledger.id = waiting.id AND ledger.cache <> 'hit'
          AND NOT (ledger.outcome = 'lost' AND waiting.outcome <> 'lost')
    )
), spent AS (
    SELECT project, key_id, end_user, cost_nanos, tags,
           at >= to_timestamp($1::double precision) AND at < to_timestamp($2::double precision) AS today,
           at >= to_timestamp($7::double precision) AND at < to_timestamp($8::double precision) AS this_week,
           at >= to_timestamp($3::double precision) AND at < to_timestamp($4::double precision) AS this_month
    FROM lines
    WHERE at >= to_timestamp(least($3, $7)::double precision)
      AND at < to_timestamp(greatest($4, $8)::double precision)
      AND id <> ALL ($6::text[])
)

-- name: spent
-- Sum the spending for the installation, each project, key and end user (`kind` says which). Callers choose the names of
-- end users: of each project the $9 that have spent most are counted.
SELECT kind, project, key_id, end_user, day_nanos, week_nanos, month_nanos
FROM (
    SELECT
        CASE grouping(project, key_id, end_user) WHEN 7 THEN 'all' WHEN 3 THEN 'project' WHEN 5 THEN 'key' ELSE 'user' END
            AS kind,
        project, key_id, end_user,
        coalesce(sum(cost_nanos) FILTER (WHERE today), 0)::bigint AS day_nanos,
        coalesce(sum(cost_nanos) FILTER (WHERE this_week), 0)::bigint AS week_nanos,
        coalesce(sum(cost_nanos) FILTER (WHERE this_month), 0)::bigint AS month_nanos,
        row_number() OVER (
            PARTITION BY grouping(project, key_id, end_user), project ORDER BY sum(cost_nanos) DESC
        ) AS place
    FROM spent
    GROUP BY GROUPING SETS ((), (project), (key_id), (project, end_user))
) AS sums
WHERE kind <> 'user' OR place <= $9::bigint

-- name: spent_by_tag
-- Sum the spending for each tag of a project that has a budget, of its own or as one of all values of its name; of each
-- project the $9 that have spent most.
SELECT kind, project, name, value, day_nanos, week_nanos, month_nanos
FROM (
    SELECT 'tag' AS kind, project, tag.name, tag.value,
           coalesce(sum(cost_nanos) FILTER (WHERE today), 0)::bigint AS day_nanos,
           coalesce(sum(cost_nanos) FILTER (WHERE this_week), 0)::bigint AS week_nanos,
           coalesce(sum(cost_nanos) FILTER (WHERE this_month), 0)::bigint AS month_nanos,
           row_number() OVER (PARTITION BY project ORDER BY sum(cost_nanos) DESC) AS place
    FROM spent
    CROSS JOIN LATERAL jsonb_each_text(tags) AS tag (name, value)
    WHERE EXISTS (
        SELECT FROM tag_budgets
        WHERE tag_budgets.project = spent.project AND tag_budgets.name = tag.name
          AND tag_budgets.value IN (tag.value, '*')
    )
    GROUP BY project, tag.name, tag.value
) AS sums
WHERE place <= $9::bigint
