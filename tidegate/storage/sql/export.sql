-- All stored rows of a project ($1) or of one of its end users ($2, null for all), page by page. Runs as tidegate_rows.

-- name: conversations
-- Return conversations and chains by id, after $3, at most $4. Deleted ones are included while they have items.
SELECT id, kind, deleted_at IS NOT NULL AS deleted, extract(epoch FROM created_at)::float8 AS created_at, metadata, parent, parent_seq
FROM conversations
WHERE project = $1 AND id > $3
    AND ($2::text IS NULL AND deleted_at IS NULL OR EXISTS (
        SELECT FROM items
        WHERE items.project = $1 AND items.conversation = conversations.id AND ($2::text IS NULL OR items.end_user = $2)
    ))
ORDER BY id
LIMIT $4

-- name: items
-- Return the items of the conversation $3 after the number $4, in order, at most $5, that have not expired on the day
-- $6.
SELECT seq, id, response, output, removed AS deleted, extract(epoch FROM at)::float8 AS at, end_user, document, exact, parts
FROM items
WHERE project = $1 AND conversation = $3 AND seq > $4 AND expires_on > $6::date
    AND ($2::text IS NULL OR end_user IS NULL OR end_user = $2)
ORDER BY seq
LIMIT $5

-- name: responses
-- Return responses by id, after $3, at most $4, that have not expired on the day $5.
SELECT id, conversation, previous_response, status, extract(epoch FROM created_at)::float8 AS created_at, end_user,
       request_id, document, exact, NULL AS parts
FROM responses
WHERE project = $1 AND id > $3 AND expires_on > $5::date AND ($2::text IS NULL OR end_user = $2)
ORDER BY id
LIMIT $4

-- name: completions
-- Return completions by id, after $3, at most $4, that have not expired on the day $5.
SELECT id, extract(epoch FROM created_at)::float8 AS created_at, end_user, request_id, metadata,
       document AS completion, exact AS completion_exact, messages AS document, messages_exact AS exact, parts
FROM completions
WHERE project = $1 AND id > $3 AND expires_on > $5::date AND ($2::text IS NULL OR end_user = $2)
ORDER BY id
LIMIT $4
