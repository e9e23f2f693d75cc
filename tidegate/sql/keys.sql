-- name: add_project
-- Make a project known, where it is not yet.
INSERT INTO projects (id, created_at)
VALUES ($1, to_timestamp($2::float8))
ON CONFLICT (id) DO NOTHING

-- name: add_key
-- Store a new key: its digest and hint, never the key.
INSERT INTO keys (id, project, name, hash, hint, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, to_timestamp($6::float8), to_timestamp($7::float8))

-- name: revoke_key
-- End a key; ending it again changes nothing. No row when there is no such key.
UPDATE keys
SET revoked_at = coalesce(revoked_at, to_timestamp($2::float8))
WHERE id = $1
RETURNING id

-- name: list_keys
-- All keys, or those of one project, oldest first.
SELECT id, project, name, hint,
       extract(epoch FROM created_at)::float8 AS created_at,
       extract(epoch FROM expires_at)::float8 AS expires_at,
       extract(epoch FROM revoked_at)::float8 AS revoked_at
FROM keys
WHERE $1::text IS NULL OR project = $1
ORDER BY created_at, id

-- name: find_keys
-- Who is behind these digests.
SELECT hash, id, project, name,
       extract(epoch FROM expires_at)::float8 AS expires_at,
       revoked_at IS NOT NULL AS revoked
FROM keys
WHERE hash = ANY($1::bytea[])

-- name: any_key
-- Whether a key was ever made.
SELECT EXISTS (SELECT FROM keys)
