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
