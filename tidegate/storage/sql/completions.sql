-- Stored chat completions. Everything runs as tidegate_rows, which sees the rows of one project ($1).

-- name: until
-- Return the day on which rows that are stored on the day $2 expire.
SELECT coalesce($2::date + retention_days, 'infinity') FROM projects WHERE id = $1

-- name: save
-- Write a completion and the messages of its request.
INSERT INTO completions (
    project, id, expires_on, model, created_at, end_user, request_id, metadata, document, exact,
    messages, messages_exact, parts
)
SELECT $1, $2, coalesce($3::date + retention_days, 'infinity'), $4, to_timestamp($5::float8), $6, $7, $8::jsonb, $9::jsonb, $10,
       $11::jsonb, $12, $13::jsonb
FROM projects
WHERE projects.id = $1
RETURNING expires_on

-- name: get
-- Return one completion.
SELECT id, model, extract(epoch FROM created_at)::float8 AS created_at, end_user, request_id, metadata, document, exact
FROM completions
WHERE project = $1 AND id = $2 AND expires_on > $3::date

-- name: messages
-- Return the messages of a completion's request.
SELECT messages AS document, messages_exact AS exact, parts
FROM completions
WHERE project = $1 AND id = $2 AND expires_on > $3::date

-- name: ids_by_metadata
-- Return the ids of at most $2 completions that have the metadata $1. Where more match, any of them are returned.
SELECT array_agg(id) FROM completions_having($1::jsonb, $2) AS id

-- name: list_up
-- List completions with the metadata $3 after the completion $4 (null: from the beginning), oldest first, at most $5.
-- The model $2 is null.
SELECT id, model, extract(epoch FROM created_at)::float8 AS created_at, end_user, request_id, metadata, document, exact
FROM completions
WHERE project = $1 AND $2::text IS NULL AND metadata @> $3::jsonb AND expires_on > $6::date
    AND ($4::text IS NULL OR (completions.created_at, id) > (
        SELECT past.created_at, past.id FROM completions AS past WHERE past.project = $1 AND past.id = $4 LIMIT 1
    ))
ORDER BY completions.created_at, id
LIMIT $5

-- name: list_down
-- The same before the completion $4 (null: from the end), newest first.
SELECT id, model, extract(epoch FROM created_at)::float8 AS created_at, end_user, request_id, metadata, document, exact
FROM completions
WHERE project = $1 AND $2::text IS NULL AND metadata @> $3::jsonb AND expires_on > $6::date
    AND ($4::text IS NULL OR (completions.created_at, id) < (
        SELECT past.created_at, past.id FROM completions AS past WHERE past.project = $1 AND past.id = $4 LIMIT 1
    ))
ORDER BY completions.created_at DESC, id DESC
LIMIT $5

-- name: list_of_model_up
-- List the completions of the model $2, oldest first.
SELECT id, model, extract(epoch FROM created_at)::float8 AS created_at, end_user, request_id, metadata, document, exact
FROM completions
WHERE project = $1 AND model = $2 AND metadata @> $3::jsonb AND expires_on > $6::date
    AND ($4::text IS NULL OR (completions.created_at, id) > (
        SELECT past.created_at, past.id FROM completions AS past WHERE past.project = $1 AND past.id = $4 LIMIT 1
    ))
ORDER BY completions.created_at, id
LIMIT $5

-- name: list_of_model_down
-- List the completions of the model $2, newest first.
SELECT id, model, extract(epoch FROM created_at)::float8 AS created_at, end_user, request_id, metadata, document, exact
FROM completions
WHERE project = $1 AND model = $2 AND metadata @> $3::jsonb AND expires_on > $6::date
    AND ($4::text IS NULL OR (completions.created_at, id) < (
        SELECT past.created_at, past.id FROM completions AS past WHERE past.project = $1 AND past.id = $4 LIMIT 1
    ))
ORDER BY completions.created_at DESC, id DESC
LIMIT $5

-- name: list_these_up
-- List the completions whose ids are in $7, of the model $2 (null: of any), oldest first.
SELECT id, model, extract(epoch FROM created_at)::float8 AS created_at, end_user, request_id, metadata, document, exact
FROM completions
WHERE project = $1 AND ($2::text IS NULL OR model = $2) AND metadata @> $3::jsonb AND expires_on > $6::date
    AND ($4::text IS NULL OR (completions.created_at, id) > (
        SELECT past.created_at, past.id FROM completions AS past WHERE past.project = $1 AND past.id = $4 LIMIT 1
    ))
    AND id = ANY($7::text[])
ORDER BY completions.created_at, id
LIMIT $5

-- name: list_these_down
-- List the completions whose ids are in $7, of the model $2 (null: of any), newest first.
SELECT id, model, extract(epoch FROM created_at)::float8 AS created_at, end_user, request_id, metadata, document, exact
FROM completions
WHERE project = $1 AND ($2::text IS NULL OR model = $2) AND metadata @> $3::jsonb AND expires_on > $6::date
    AND ($4::text IS NULL OR (completions.created_at, id) < (
        SELECT past.created_at, past.id FROM completions AS past WHERE past.project = $1 AND past.id = $4 LIMIT 1
    ))
    AND id = ANY($7::text[])
ORDER BY completions.created_at DESC, id DESC
LIMIT $5

-- name: update
-- Replace the metadata of a completion.
UPDATE completions SET metadata = $3::jsonb
WHERE project = $1 AND id = $2 AND expires_on > $4::date
RETURNING id, model, extract(epoch FROM created_at)::float8 AS created_at, end_user, request_id, metadata, document, exact

-- name: delete
-- Delete a completion.
DELETE FROM completions WHERE project = $1 AND id = $2
RETURNING parts, expires_on
