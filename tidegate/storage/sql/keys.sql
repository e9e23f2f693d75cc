-- API keys: changed by operators, looked up by the gateway.

-- name: add_project
-- Add a project, unless it exists.
INSERT INTO projects (id, created_at)
VALUES ($1, to_timestamp($2::float8))
ON CONFLICT (id) DO NOTHING

-- name: lock_project
-- Let other transactions that lock this project wait for the end of this one.
SELECT FROM projects WHERE id = $1 FOR UPDATE

-- name: had_key
-- Return whether the project has or had a key.
SELECT EXISTS (SELECT FROM keys WHERE project = $1)

-- name: add_key
-- Store a new key: its digest and hint, never the key itself. $10 is a JSON object of its grants, by column.
INSERT INTO keys (
    id, project, name, hash, hint, created_at, expires_at, admin, read_only,
    rpm, rpd, tpm, concurrency, budget_day_nanos, budget_week_nanos, budget_month_nanos, priority, models
)
SELECT
    $1, $2, $3, $4, $5, to_timestamp($6::float8), to_timestamp($7::float8), $8, $9,
    rpm, rpd, tpm, concurrency, budget_day_nanos, budget_week_nanos, budget_month_nanos, priority, models
FROM jsonb_populate_record(NULL::keys, $10::jsonb)

-- name: update_key
-- Set the columns of a key that the JSON object $2 names, and leave the others. Null removes a limit. Returns no row
-- when there is no such key.
UPDATE keys
SET (rpm, rpd, tpm, concurrency, budget_day_nanos, budget_week_nanos, budget_month_nanos, priority, models) = (
    SELECT rpm, rpd, tpm, concurrency, budget_day_nanos, budget_week_nanos, budget_month_nanos, priority, models
    FROM jsonb_populate_record(keys, $2::jsonb)
)
WHERE id = $1
RETURNING id

-- name: rename_key
-- Rename a key.
UPDATE keys SET name = $2 WHERE id = $1

-- name: expire_key
-- Let a key expire at another moment, or never (null).
UPDATE keys SET expires_at = to_timestamp($2::float8) WHERE id = $1

-- name: revoke_key
-- Revoke a key; revoking it again changes nothing. Returns no row when there is no such key.
UPDATE keys
SET revoked_at = coalesce(revoked_at, to_timestamp($2::float8))
WHERE id = $1
RETURNING id

-- name: list_keys
-- List all keys or those of the project $1, oldest first; after the key $2, where one is given; at most $3 (null: all).
-- Each comes with the secret that was replaced last.
SELECT id, project, name, keys.hint, admin, read_only,
       extract(epoch FROM created_at)::float8 AS created_at,
       extract(epoch FROM expires_at)::float8 AS expires_at,
       extract(epoch FROM revoked_at)::float8 AS revoked_at,
       rpm, rpd, tpm, concurrency, budget_day_nanos, budget_week_nanos, budget_month_nanos, priority, models,
       (SELECT extract(epoch FROM used_at)::float8 FROM secret_uses WHERE secret_uses.hash = keys.hash) AS last_used_at,
       replaced.hint AS replaced_hint, replaced.stops_at AS replaced_stops_at, replaced.used_at AS replaced_used_at
FROM keys
LEFT JOIN LATERAL (
    SELECT hint,
           extract(epoch FROM stops_at)::float8 AS stops_at,
           (SELECT extract(epoch FROM used_at)::float8 FROM secret_uses WHERE hash = replaced_secrets.hash) AS used_at
    FROM replaced_secrets
    WHERE key_id = keys.id
    ORDER BY replaced_at DESC, stops_at DESC
    LIMIT 1
) AS replaced ON true
WHERE ($1::text IS NULL OR project = $1)
    AND ($2::text IS NULL OR (created_at, id) > (SELECT last.created_at, last.id FROM keys AS last WHERE last.id = $2))
ORDER BY created_at, id
LIMIT $3::bigint

-- name: get_key
-- Return one key by its id, with the secret that was replaced last.
SELECT id, project, name, keys.hint, admin, read_only,
       extract(epoch FROM created_at)::float8 AS created_at,
       extract(epoch FROM expires_at)::float8 AS expires_at,
       extract(epoch FROM revoked_at)::float8 AS revoked_at,
       rpm, rpd, tpm, concurrency, budget_day_nanos, budget_week_nanos, budget_month_nanos, priority, models,
       (SELECT extract(epoch FROM used_at)::float8 FROM secret_uses WHERE secret_uses.hash = keys.hash) AS last_used_at,
       replaced.hint AS replaced_hint, replaced.stops_at AS replaced_stops_at, replaced.used_at AS replaced_used_at
FROM keys
LEFT JOIN LATERAL (
    SELECT hint,
           extract(epoch FROM stops_at)::float8 AS stops_at,
           (SELECT extract(epoch FROM used_at)::float8 FROM secret_uses WHERE hash = replaced_secrets.hash) AS used_at
    FROM replaced_secrets
    WHERE key_id = keys.id
    ORDER BY replaced_at DESC, stops_at DESC
    LIMIT 1
) AS replaced ON true
WHERE id = $1

-- name: find_keys
-- Return the keys with these digests, with the grants of each key, its project and its end users. A secret that was
-- replaced ends with its overlap, or with its key if that expires before.
WITH secrets AS (
    SELECT hash, hint, id AS key_id, NULL::timestamptz AS stops_at FROM keys WHERE hash = ANY($1::bytea[])
    UNION ALL
    SELECT hash, hint, key_id, stops_at FROM replaced_secrets WHERE hash = ANY($1::bytea[])
)
SELECT secrets.hash, secrets.hint, keys.id, keys.project, keys.name, keys.admin, keys.read_only,
       extract(epoch FROM least(keys.expires_at, secrets.stops_at))::float8 AS expires_at,
       extract(epoch FROM secrets.stops_at)::float8 AS stops_at,
       keys.revoked_at IS NOT NULL AS revoked,
       coalesce(keys.priority, projects.priority) AS priority,
       keys.models,
       keys.rpm, keys.rpd, keys.tpm, keys.concurrency, keys.budget_day_nanos, keys.budget_week_nanos,
       keys.budget_month_nanos,
       projects.rpm AS project_rpm,
       projects.rpd AS project_rpd,
       projects.tpm AS project_tpm,
       projects.concurrency AS project_concurrency,
       projects.budget_day_nanos AS project_budget_day_nanos,
       projects.budget_week_nanos AS project_budget_week_nanos,
       projects.budget_month_nanos AS project_budget_month_nanos,
       projects.user_rpm, projects.user_rpd, projects.user_tpm, projects.user_concurrency,
       projects.user_budget_day_nanos, projects.user_budget_week_nanos, projects.user_budget_month_nanos,
       EXISTS (SELECT FROM tag_budgets WHERE tag_budgets.project = keys.project) AS has_tag_budgets
FROM secrets
JOIN keys ON keys.id = secrets.key_id
JOIN projects ON projects.id = keys.project

-- name: digest_of
-- Return the digest of a key by its id.
SELECT hash FROM keys WHERE id = $1

-- name: any_key
-- Return whether any key was ever created.
SELECT EXISTS (SELECT FROM keys)
