-- Conversations and their items. Everything runs as tidegate_rows, which sees the rows of one project ($1).

-- name: create
-- Create a named conversation on the day $5, with numbers reserved for $6 items of $7 bytes.
INSERT INTO conversations (project, id, kind, created_at, metadata, last_seq, size, first_expires, last_expires)
SELECT $1, $2, 'conversation', to_timestamp($3::float8), $4::jsonb, $6, $7, until, until
FROM (SELECT coalesce($5::date + retention_days, 'infinity') AS until FROM projects WHERE id = $1) AS kept
RETURNING id AS conversation, 0::bigint AS before, first_expires AS expires_on, size

-- name: get
-- Return one conversation.
SELECT id, extract(epoch FROM created_at)::float8 AS created_at, metadata
FROM conversations
WHERE project = $1 AND id = $2 AND kind = 'conversation' AND deleted_at IS NULL

-- name: update
-- Replace the metadata of a conversation.
UPDATE conversations SET metadata = $3::jsonb
WHERE project = $1 AND id = $2 AND kind = 'conversation' AND deleted_at IS NULL
RETURNING id, extract(epoch FROM created_at)::float8 AS created_at, metadata

-- name: delete
-- Delete the name and the metadata of a conversation.
UPDATE conversations SET deleted_at = to_timestamp($3::float8), metadata = '{}', version = version + 1
WHERE project = $1 AND id = $2 AND kind = 'conversation' AND deleted_at IS NULL
RETURNING id

-- name: place
-- Reserve numbers for $3 items of $4 bytes at the end of a conversation on the day $5, unless a response is being made
-- in it.
UPDATE conversations SET
    last_seq = last_seq + $3, size = conversations.size + $4, version = version + 1,
    first_expires = least(first_expires, until), last_expires = greatest(last_expires, until)
FROM (SELECT coalesce($5::date + retention_days, 'infinity') AS until FROM projects WHERE id = $1) AS kept
WHERE project = $1 AND id = $2 AND kind = 'conversation' AND deleted_at IS NULL AND busy_with IS NULL
    AND (leased_until IS NULL OR leased_until <= clock_timestamp())
RETURNING id AS conversation, last_seq - $3 AS before, until AS expires_on, conversations.size

-- name: head
-- Return the size, version and last item of a conversation before its items are read, and the seconds that its lease
-- lasts.
SELECT id, version, size AS history_size, busy_with, last_seq AS upto, first_expires, last_expires,
       greatest(extract(epoch FROM leased_until - clock_timestamp()), 0)::float8 AS leased_for
FROM conversations
WHERE project = $1 AND id = $2 AND kind = 'conversation' AND deleted_at IS NULL

-- name: items_up
-- List the items of a conversation after the item $3 (null: from the beginning), oldest first, at most $4.
SELECT items.id, items.type, items.role, items.document, items.exact, items.parts
FROM conversations
JOIN items ON items.project = $1 AND items.conversation = $2 AND NOT items.removed
    AND items.expires_on BETWEEN conversations.first_expires AND conversations.last_expires
    AND items.expires_on > $5::date
WHERE conversations.project = $1 AND conversations.id = $2 AND kind = 'conversation' AND deleted_at IS NULL
    AND ($3::text IS NULL OR items.seq > (
        SELECT max(seq) FROM items WHERE project = $1 AND conversation = $2 AND id = $3
    ))
ORDER BY items.seq
LIMIT $4

-- name: items_down
-- List the items of a conversation before the item $3 (null: from the end), newest first, at most $4.
SELECT items.id, items.type, items.role, items.document, items.exact, items.parts
FROM conversations
JOIN items ON items.project = $1 AND items.conversation = $2 AND NOT items.removed
    AND items.expires_on BETWEEN conversations.first_expires AND conversations.last_expires
    AND items.expires_on > $5::date
WHERE conversations.project = $1 AND conversations.id = $2 AND kind = 'conversation' AND deleted_at IS NULL
    AND ($3::text IS NULL OR items.seq < (
        SELECT min(seq) FROM items WHERE project = $1 AND conversation = $2 AND id = $3
    ))
ORDER BY items.seq DESC
LIMIT $4

-- name: item
-- Return one item of a conversation.
SELECT items.id, items.type, items.role, items.document, items.exact, items.parts
FROM items
JOIN conversations ON conversations.project = $1 AND conversations.id = $2
WHERE items.project = $1 AND items.conversation = $2 AND items.id = $3 AND NOT items.removed
    AND items.expires_on BETWEEN conversations.first_expires AND conversations.last_expires
    AND items.expires_on > $4::date
    AND kind = 'conversation' AND deleted_at IS NULL
ORDER BY items.seq
LIMIT 1

-- name: remove_item
-- Remove an item from a conversation in which no response is being made. The item is only hidden where a response still
-- uses it.
WITH place AS (
    SELECT id FROM conversations
    WHERE project = $1 AND id = $2 AND kind = 'conversation' AND deleted_at IS NULL AND busy_with IS NULL
        AND (leased_until IS NULL OR leased_until <= clock_timestamp())
    FOR UPDATE
), gone AS (
    DELETE FROM items
    WHERE project = $1 AND conversation = (SELECT id FROM place) AND id = $3 AND NOT removed
        AND NOT EXISTS (SELECT FROM responses WHERE responses.project = $1 AND responses.id = items.response)
    RETURNING size, parts, expires_on
), hidden AS (
    UPDATE items SET removed = true
    WHERE project = $1 AND conversation = (SELECT id FROM place) AND id = $3 AND NOT removed
        AND EXISTS (SELECT FROM responses WHERE responses.project = $1 AND responses.id = items.response)
    RETURNING size
)
UPDATE conversations SET version = version + 1, size = size - taken.bytes
FROM (
    SELECT count(*) AS found, sum(size)::bigint AS bytes FROM (SELECT size FROM gone UNION ALL SELECT size FROM hidden) AS both_kinds
) AS taken
WHERE project = $1 AND id = $2 AND taken.found > 0
RETURNING id, extract(epoch FROM created_at)::float8 AS created_at, metadata,
    (SELECT jsonb_agg(jsonb_build_object('parts', parts, 'expires_on', expires_on)) FROM gone WHERE parts IS NOT NULL) AS freed

-- name: items_by_id
-- Return the items with the ids $2 in any conversation that have not expired on the day $3, each once: the newest one.
SELECT DISTINCT ON (id) id, type, role, document, exact, parts
FROM items
WHERE project = $1 AND id = ANY ($2::text[]) AND expires_on > $3::date AND NOT removed
ORDER BY id, at DESC
