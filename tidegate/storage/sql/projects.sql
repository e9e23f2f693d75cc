-- Projects, which share limits and budgets, and the scopes that have a budget.

-- name: list_projects
-- List all projects by name; after the name $1, where one is given; at most $2 (null: all).
SELECT id AS name, extract(epoch FROM created_at)::float8 AS created_at,
       rpm, rpd, tpm, concurrency, budget_day_nanos, budget_week_nanos, budget_month_nanos,
       user_rpm, user_rpd, user_tpm, user_concurrency, user_budget_day_nanos, user_budget_week_nanos, user_budget_month_nanos,
       priority, retention_days
FROM projects
WHERE $1::text IS NULL OR id COLLATE "C" > $1
ORDER BY id COLLATE "C"
LIMIT $2::bigint

-- name: get_project
-- Return one project by its name.
SELECT id AS name, extract(epoch FROM created_at)::float8 AS created_at,
       rpm, rpd, tpm, concurrency, budget_day_nanos, budget_week_nanos, budget_month_nanos,
       user_rpm, user_rpd, user_tpm, user_concurrency, user_budget_day_nanos, user_budget_week_nanos, user_budget_month_nanos,
       priority, retention_days
FROM projects
WHERE id = $1

-- name: update_project
-- Set the columns of a project that the JSON object $2 names, and leave the others. Null removes a limit. Returns no
-- row when there is no such project.
UPDATE projects
SET (
    rpm, rpd, tpm, concurrency, budget_day_nanos, budget_week_nanos, budget_month_nanos,
    user_rpm, user_rpd, user_tpm, user_concurrency, user_budget_day_nanos, user_budget_week_nanos, user_budget_month_nanos,
    priority, retention_days
) = (
    SELECT rpm, rpd, tpm, concurrency, budget_day_nanos, budget_week_nanos, budget_month_nanos,
           user_rpm, user_rpd, user_tpm, user_concurrency, user_budget_day_nanos, user_budget_week_nanos, user_budget_month_nanos,
           priority, retention_days
    FROM jsonb_populate_record(projects, $2::jsonb)
)
WHERE id = $1
RETURNING id

-- name: budgeted
-- Return what has a budget, by the scope (limits/scopes.py names them) under which spending is counted: projects, keys
-- that still work, tags, and the end users named in their project's last 10,000 calls since $2 (Unix seconds). Where each
-- value of a tag has a budget, the values in those calls count that have none of their own. Of the project $1 or of all (null); after
-- the scope $3, where one is given; at most $4. The budget of a day, week or month that is not set is null.
SELECT scope, kind, project, key_id, name, end_user, tag, budget_day, budget_week, budget_month
FROM (
    SELECT 'project/' || replace(replace(id, '%', '%25'), ':', '%3A') AS scope, 'project' AS kind, id AS project,
           NULL AS key_id, NULL AS name, NULL AS end_user, NULL AS tag,
           budget_day_nanos AS budget_day, budget_week_nanos AS budget_week, budget_month_nanos AS budget_month
    FROM projects
    UNION ALL
    SELECT 'key/' || id, 'key', project, id, name, NULL, NULL, budget_day_nanos, budget_week_nanos, budget_month_nanos
    FROM keys
    WHERE revoked_at IS NULL
    UNION ALL
    SELECT 'user/' || replace(replace(replace(projects.id, '%', '%25'), ':', '%3A'), '/', '%2F') || '/'
               || replace(replace(callers.end_user, '%', '%25'), ':', '%3A'), 'user', projects.id, NULL, NULL, callers.end_user,
           NULL, user_budget_day_nanos, user_budget_week_nanos, user_budget_month_nanos
    FROM projects
    CROSS JOIN LATERAL (
        SELECT DISTINCT last.end_user
        FROM (
            SELECT end_user
            FROM ledger
            WHERE project = projects.id AND at >= to_timestamp($2::float8)
            ORDER BY at DESC
            LIMIT 10000
        ) AS last
        WHERE last.end_user IS NOT NULL
    ) AS callers
    WHERE coalesce(user_budget_day_nanos, user_budget_week_nanos, user_budget_month_nanos) IS NOT NULL
    UNION ALL
    SELECT 'tag/' || replace(replace(replace(tagged.project, '%', '%25'), ':', '%3A'), '/', '%2F') || '/' || tagged.name || '/'
               || replace(replace(tagged.value, '%', '%25'), ':', '%3A'), 'tag', tagged.project, NULL, NULL, NULL,
           tagged.name || '=' || tagged.value, tagged.budget_day_nanos,
           tagged.budget_week_nanos, tagged.budget_month_nanos
    FROM (
        SELECT project, name, value, budget_day_nanos, budget_week_nanos, budget_month_nanos FROM tag_budgets WHERE value <> '*'
        UNION ALL
        SELECT every.project, every.name, seen.value, every.budget_day_nanos, every.budget_week_nanos,
               every.budget_month_nanos
        FROM tag_budgets AS every
        CROSS JOIN LATERAL (
            SELECT DISTINCT last.tags ->> every.name AS value
            FROM (
                SELECT tags
                FROM ledger
                WHERE project = every.project AND at >= to_timestamp($2::float8)
                ORDER BY at DESC
                LIMIT 10000
            ) AS last
            WHERE last.tags ->> every.name IS NOT NULL
        ) AS seen
        WHERE every.value = '*' AND NOT EXISTS (
            SELECT FROM tag_budgets AS own
            WHERE own.project = every.project AND own.name = every.name AND own.value = seen.value
        )
    ) AS tagged
) AS subjects
WHERE coalesce(budget_day, budget_week, budget_month) IS NOT NULL
    AND ($1::text IS NULL OR project = $1)
    AND ($3::text IS NULL OR scope COLLATE "C" > $3)
ORDER BY scope COLLATE "C"
LIMIT $4::bigint
