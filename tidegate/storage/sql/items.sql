-- Items. All of it runs as tidegate_rows, which sees the rows of one project ($1).

-- name: write
-- Write the items of the JSON array $3 into the conversation $2, after $4, until $5; said at $7 by the end user $8, in the
-- response $6 (null: in none).
INSERT INTO items (
    project, conversation, seq, expires_on, id, response, output, at, end_user, type, role, size, document, exact, parts
)
SELECT $1, $2, $4 + n, $5::date, id, $6, output, to_timestamp($7::float8), $8, type, role, size, document,
       decode(exact, 'base64'), parts
FROM jsonb_to_recordset($3::jsonb) AS item (
    n bigint, id text, output boolean, type text, role text, size integer, document jsonb, exact text, parts jsonb
)

-- name: said
-- The items of a conversation up to $3 that expire from $4 to $5, in order, as JSON: a line for each. Those of the types
-- $6 are without their id and status. For what jsonb does not tell, or is of another type, the line says null, and its
-- number is in `others`.
SELECT convert_to(
           string_agg(CASE WHEN told THEN (document - '{id,status}'::text[])::text ELSE 'null' END, E',\n' ORDER BY seq),
           'UTF8'
       ) AS lines,
       array_agg(seq ORDER BY seq) FILTER (WHERE NOT told) AS others
FROM items
CROSS JOIN LATERAL (SELECT exact IS NULL AND type = ANY ($6::text[]) AS told) AS kind
WHERE project = $1 AND conversation = $2 AND seq <= $3 AND NOT removed AND expires_on BETWEEN $4::date AND $5::date

-- name: others
-- The items of a conversation that have the numbers $3 and expire from $4 to $5.
SELECT seq, id, type, role, document, exact, parts
FROM items
WHERE project = $1 AND conversation = $2 AND seq = ANY ($3::bigint[]) AND expires_on BETWEEN $4::date AND $5::date

-- name: nameless
-- The last item of a conversation that nobody can name, a chain or one that was deleted; locked against those who would
-- go on with it.
SELECT last_seq FROM conversations
WHERE project = $1 AND id = $2 AND (kind = 'chain' OR deleted_at IS NOT NULL)
FOR UPDATE

-- name: last_needed
-- The last item of a conversation that a response or a chain still needs; null for none.
SELECT greatest(
    (SELECT max(last_seq) FROM responses WHERE project = $1 AND conversation = $2),
    (SELECT max(parent_seq) FROM conversations WHERE project = $1 AND parent = $2)
)

-- name: cut
-- Delete a conversation's items after $3.
DELETE FROM items WHERE project = $1 AND conversation = $2 AND seq > $3
RETURNING size, removed, parts, expires_on

-- name: shorten
-- A conversation ends at $3 now, and is smaller by $4 bytes.
UPDATE conversations SET last_seq = $3, size = size - $4, version = version + 1
WHERE project = $1 AND id = $2

-- name: drop
-- Delete a conversation that has no items any more; what it went on from.
DELETE FROM conversations WHERE project = $1 AND id = $2
RETURNING parent
