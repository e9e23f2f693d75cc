-- What projects made at upstreams. Queries on one project run as tidegate_rows, which sees the rows of that project.

-- name: find
-- Return those of the objects $2 that the project $1 owns.
SELECT id, kind, provider, credential, extract(epoch FROM created_at)::float8 AS created_at, end_user, document, forgotten_at
FROM owned_objects
WHERE project = $1 AND id = ANY($2::text[])

-- name: of_others
-- Return those of the ids $1 that other projects own.
SELECT id FROM objects_of_others($1::text[]) AS id

-- name: record
-- Record objects of the project $1, by columns. What the project has already is renewed. Return the ids that it owns then.
WITH named AS (
    SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::float8[], $7::text[], $8::bytea[])
        AS named (id, kind, provider, credential, created_at, end_user, document)
), added AS (
    INSERT INTO owned_objects (project, id, kind, provider, credential, created_at, end_user, document)
    SELECT $1, id, kind, provider, credential, to_timestamp(created_at), end_user, document FROM named
    ON CONFLICT (id, provider) DO NOTHING
    RETURNING id
), renewed AS (
    UPDATE owned_objects SET
        credential = named.credential, gone_at = NULL,
        document = coalesce(named.document, owned_objects.document)
    FROM named
    WHERE owned_objects.project = $1 AND owned_objects.id = named.id AND owned_objects.provider = named.provider
    RETURNING owned_objects.id
)
SELECT id FROM added UNION SELECT id FROM renewed

-- name: position
-- Return where the object $3 of the kind $2 stands in the lists of the project $1.
SELECT extract(epoch FROM created_at)::float8 AS created_at, seq
FROM owned_objects
WHERE project = $1 AND kind = $2 AND id = $3
LIMIT 1

-- name: page_up
-- Return at most $7 objects of the kind $2 that exist, oldest first: those between ($3, $4) and ($5, $6).
SELECT id, kind, provider, credential, extract(epoch FROM created_at)::float8 AS created_at, end_user, document, forgotten_at, seq
FROM owned_objects
WHERE project = $1 AND kind = $2 AND gone_at IS NULL AND forgotten_at IS NULL
    AND (created_at, seq) > (to_timestamp($3::float8), $4::bigint) AND (created_at, seq) < (to_timestamp($5::float8), $6::bigint)
ORDER BY owned_objects.created_at, seq
LIMIT $7

-- name: page_down
-- The same, newest first.
SELECT id, kind, provider, credential, extract(epoch FROM created_at)::float8 AS created_at, end_user, document, forgotten_at, seq
FROM owned_objects
WHERE project = $1 AND kind = $2 AND gone_at IS NULL AND forgotten_at IS NULL
    AND (created_at, seq) > (to_timestamp($3::float8), $4::bigint) AND (created_at, seq) < (to_timestamp($5::float8), $6::bigint)
ORDER BY owned_objects.created_at DESC, seq DESC
LIMIT $7

-- name: keep_document
-- Keep the document $3 of the object $2.
UPDATE owned_objects SET document = $3 WHERE project = $1 AND id = $2

-- name: mark_gone
-- Note at $3 that the objects $2 exist no longer.
UPDATE owned_objects SET gone_at = to_timestamp($3::float8), document = NULL
WHERE project = $1 AND id = ANY($2::text[]) AND gone_at IS NULL

-- name: count_of_end_user
-- Count the objects that the project $1 made for the end user $2. Runs as the table's owner, as do all queries below.
SELECT count(*) FROM owned_objects WHERE project = $1 AND end_user = $2

-- name: forget_end_user
-- Remove the end user's name at $3, and let their objects be deleted at the upstream.
UPDATE owned_objects SET end_user = NULL, document = NULL, forgotten_at = coalesce(forgotten_at, to_timestamp($3::float8))
WHERE project = $1 AND end_user = $2

-- name: forgotten
-- Return at most $1 objects that are to be deleted at the upstream, the oldest first, after ($2, $3).
SELECT project, id, kind, provider, credential, extract(epoch FROM forgotten_at)::float8 AS forgotten_at, seq
FROM owned_objects
WHERE forgotten_at IS NOT NULL AND gone_at IS NULL
    AND (forgotten_at, seq) > (to_timestamp($2::float8), $3::bigint)
ORDER BY owned_objects.forgotten_at, seq
LIMIT $1

-- name: delete_gone
-- Delete at most $2 records of objects that are gone since before $1.
DELETE FROM owned_objects
WHERE (id, provider) IN (
    SELECT id, provider FROM owned_objects WHERE gone_at < to_timestamp($1::float8) LIMIT $2
)

-- name: drop_names
-- Remove end users' names and documents from at most $2 records that are older at $1 than their project's retention.
UPDATE owned_objects SET end_user = NULL, document = NULL
WHERE (id, provider) IN (
    SELECT owned_objects.id, owned_objects.provider
    FROM projects JOIN owned_objects ON owned_objects.project = projects.id
    WHERE projects.retention_days IS NOT NULL
        AND owned_objects.created_at < to_timestamp($1::float8) - make_interval(days => projects.retention_days)
        AND (owned_objects.end_user IS NOT NULL OR owned_objects.document IS NOT NULL)
    LIMIT $2
)

-- name: list_all
-- Return at most $4 objects of the project $1 (null: of all) and of the kind $2 (null: of all), newest first, before the
-- object $3 (null: from the newest).
SELECT project, id, kind, provider, credential, extract(epoch FROM created_at)::float8 AS created_at, end_user,
    gone_at IS NOT NULL AS is_gone
FROM owned_objects
WHERE ($1::text IS NULL OR project = $1) AND ($2::text IS NULL OR kind = $2)
    AND ($3::text IS NULL OR (created_at, seq) < (SELECT past.created_at, past.seq FROM owned_objects AS past WHERE past.id = $3 LIMIT 1))
ORDER BY owned_objects.created_at DESC, seq DESC
LIMIT $4

-- name: assign
-- Record an object of the project $1 that was made elsewhere. Return the project that owns it then, which may be another one.
WITH added AS (
    INSERT INTO owned_objects (project, id, kind, provider, credential, created_at)
    VALUES ($1, $2, $3, $4, $5, to_timestamp($6::float8))
    ON CONFLICT (id, provider) DO NOTHING
    RETURNING project
)
SELECT project FROM added
UNION ALL
SELECT project FROM owned_objects WHERE id = $2 AND provider = $4
LIMIT 1
