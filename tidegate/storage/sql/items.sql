-- Items. Everything runs as tidegate_rows, which sees the rows of one project ($1).

-- name: write
-- Write the items of the JSON array $3 into the conversation $2, numbered after $4, expiring on $5. $6 is their
-- response (null: none), $7 their time, $8 their end user.
INSERT INTO items (
    project, conversation, seq, expires_on, id, response, output, at, end_user, type, role, size, document, exact, parts
)
SELECT $1, $2, $4 + n, $5::date, id, $6, output, to_timestamp($7::float8), $8, type, role, size, document,
       decode(exact, 'base64'), parts
FROM jsonb_to_recordset($3::jsonb) AS item (
    n bigint, id text, output boolean, type text, role text, size integer, document jsonb, exact text, parts jsonb
)

-- name: item_lines
-- Return the items of a conversation up to $3 that expire from $4 to $5, in order, one line of JSON each. Items of the
-- types $6 come without id and status. A line is null for an item that jsonb does not hold exactly or that has another
-- type; the numbers of those items are in `others`.
SELECT convert_to(
           string_agg(CASE WHEN told THEN (document - '{id,status}'::text[])::text ELSE 'null' END, E',\n' ORDER BY seq),
           'UTF8'
       ) AS lines,
       array_agg(seq ORDER BY seq) FILTER (WHERE NOT told) AS others
FROM items
CROSS JOIN LATERAL (SELECT exact IS NULL AND type = ANY ($6::text[]) AS told) AS kind
WHERE project = $1 AND conversation = $2 AND seq <= $3 AND NOT removed AND expires_on BETWEEN $4::date AND $5::date

-- name: others
-- Return the items of a conversation that have the numbers $3 and expire from $4 to $5.
SELECT seq, id, type, role, document, exact, parts
FROM items
WHERE project = $1 AND conversation = $2 AND seq = ANY ($3::bigint[]) AND expires_on BETWEEN $4::date AND $5::date

-- name: unnamed_conversation
-- Return the last item of a conversation without a name, which is a chain or was deleted. Locks it against turns that
-- would continue it.
SELECT last_seq FROM conversations
WHERE project = $1 AND id = $2 AND (kind = 'chain' OR deleted_at IS NOT NULL)
FOR UPDATE

-- name: last_needed
-- Return the last item of a conversation that a response or another chain still needs; null for none.
SELECT greatest(
    (SELECT max(last_seq) FROM responses WHERE project = $1 AND conversation = $2),
    (SELECT max(parent_seq) FROM conversations WHERE project = $1 AND parent = $2)
)

-- name: delete_after
-- Delete the items of a conversation after $3.
DELETE FROM items WHERE project = $1 AND conversation = $2 AND seq > $3
RETURNING size, removed, parts, expires_on

-- name: set_last_item
-- Set the last item of a conversation to $3, and reduce its size by $4 bytes.
UPDATE conversations SET last_seq = $3, size = size - $4, version = version + 1
WHERE project = $1 AND id = $2

-- name: drop
-- Delete a conversation that has no items any more. Return its parent.
DELETE FROM conversations WHERE project = $1 AND id = $2
RETURNING parent
