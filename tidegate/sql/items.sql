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
-- The items of a conversation up to $3 that expire from $4 to $5, in order.
SELECT id, type, role, document, exact, parts
FROM items
WHERE project = $1 AND conversation = $2 AND seq <= $3 AND NOT removed AND expires_on BETWEEN $4::date AND $5::date
ORDER BY seq
