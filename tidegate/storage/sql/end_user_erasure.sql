-- Count and delete the rows of an end user ($2) of a project ($1). Runs as the tables' owner.

-- name: count
-- Count the rows.
SELECT
    (SELECT count(*) FROM responses WHERE project = $1 AND end_user = $2) AS responses,
    (SELECT count(*) FROM completions WHERE project = $1 AND end_user = $2) AS completions,
    (SELECT count(*) FROM items WHERE project = $1 AND end_user = $2) AS items,
    (SELECT count(DISTINCT conversation) FROM items WHERE project = $1 AND end_user = $2) AS conversations

-- name: conversations
-- Return some of the conversations that the end user took part in, at most $3.
SELECT DISTINCT conversation
FROM (
    (SELECT conversation FROM items WHERE project = $1 AND end_user = $2 LIMIT 10000)
    UNION ALL
    (SELECT conversation FROM responses WHERE project = $1 AND end_user = $2 LIMIT 10000)
) AS said
LIMIT $3

-- name: shared
-- Return whether another end user took part in the conversation $3. Locks the conversation.
SELECT EXISTS (
    SELECT FROM items WHERE project = $1 AND conversation = conversations.id AND end_user IS NOT NULL AND end_user <> $2
)
FROM conversations
WHERE project = $1 AND id = $3
FOR UPDATE

-- name: delete_items
-- Delete the end user's items of the conversation $3, or all its items where no other end user took part ($4).
DELETE FROM items WHERE project = $1 AND conversation = $3 AND ($4 OR end_user = $2)
RETURNING size, parts, expires_on

-- name: delete_responses
-- Delete the end user's responses in the conversation $3, or all its responses where no other end user took part ($4).
DELETE FROM responses WHERE project = $1 AND conversation = $3 AND ($4 OR end_user = $2)

-- name: shrink
-- Reduce the size of the conversation $2 by $3 bytes, and clear the response that it was reserved for where that
-- response is deleted.
UPDATE conversations SET
    size = size - $3, version = version + 1, busy_with = (
        SELECT responses.id FROM responses WHERE responses.project = $1 AND responses.id = conversations.busy_with LIMIT 1
    )
WHERE project = $1 AND id = $2

-- name: drop
-- Delete the conversation $2, unless other conversations continue it. Return its parent.
DELETE FROM conversations
WHERE project = $1 AND id = $2
    AND NOT EXISTS (SELECT FROM conversations AS later WHERE later.project = $1 AND later.parent = $2)
RETURNING parent

-- name: empty
-- Empty the conversation $2, and keep its row for the conversations that continue it.
UPDATE conversations SET
    deleted_at = to_timestamp($3::float8), metadata = '{}', size = 0, version = version + 1, busy_with = NULL,
    first_expires = '-infinity', last_expires = '-infinity'
WHERE project = $1 AND id = $2

-- name: delete_completions
-- Delete at most $3 completions of the end user.
DELETE FROM completions
WHERE project = $1 AND end_user = $2
    AND (id, expires_on) IN (SELECT id, expires_on FROM completions WHERE project = $1 AND end_user = $2 LIMIT $3)
RETURNING parts, expires_on

-- name: count_ledger
-- Count the ledger entries with the end user's name.
SELECT count(*) FROM ledger WHERE project = $1 AND end_user = $2

-- name: rename_in_ledger
-- Replace the end user's name by $3 in at most $4 ledger entries, also where it is the value of a tag, which is shorter.
WITH named AS (
    UPDATE ledger SET end_user = $3, tags = (
        SELECT jsonb_object_agg(tag.name, CASE tag.value WHEN left($2, 128) THEN $3 ELSE tag.value END)
        FROM jsonb_each_text(tags) AS tag (name, value)
    )
    WHERE id IN (SELECT id FROM ledger WHERE project = $1 AND end_user = $2 LIMIT $4)
    RETURNING id
)
SELECT count(*) FROM named

-- name: rename_in_rejected
-- The same in the entries that the ledger could not hold. $1 and $2 are written as in the entries' JSON.
UPDATE ledger_rejected SET entry = replace(entry, ':' || $2, ':' || $3)
WHERE position('"project":' || $1 IN entry) > 0 AND position('"end_user":' || $2 IN entry) > 0
