-- Responses. All of it runs as tidegate_rows, which sees the rows of one project ($1).

-- A turn is saved by one statement: WITH, one of the three positions below, a comma, and `written`. Their parameters:
-- $2 the day, $3 the items as a JSON array, $4 their number, $5 their bytes, $6 the response, $7 its time, $8 its status,
-- $9 whether it runs in the background, $10 its model, $11 the end user, $12 the request, $13 metadata, $14 its body for
-- jsonb, $15 its exact body or null, $16 its own id if it is still being made, else null.

-- name: new_chain
-- Start a chain of responses with the id $17.
kept AS (
    SELECT coalesce($2::date + retention_days, 'infinity') AS until FROM projects WHERE id = $1
), placed AS (
    INSERT INTO conversations (project, id, kind, created_at, last_seq, size, busy_with, first_expires, last_expires)
    SELECT $1, $17, 'chain', to_timestamp($7::float8), $4, $5, $16, until, until
    FROM kept
    RETURNING id, 0::bigint AS before, size, first_expires AS until, NULL::text AS previous
)

-- name: after
-- Continue after the response $18, which is locked against deletion: at the end of its chain if it is the last one
-- there, else in a chain of its own with the id $17, which continues it.
kept AS (
    SELECT coalesce($2::date + retention_days, 'infinity') AS until FROM projects WHERE id = $1
), previous AS (
    SELECT conversation, last_seq, history_size FROM responses WHERE project = $1 AND id = $18 AND expires_on > $2::date
    FOR KEY SHARE
), longer AS (
    UPDATE conversations SET
        last_seq = conversations.last_seq + $4, size = conversations.size + $5, version = version + 1, busy_with = $16,
        first_expires = least(first_expires, until), last_expires = greatest(last_expires, until)
    FROM previous, kept
    WHERE project = $1 AND id = previous.conversation AND kind = 'chain' AND busy_with IS NULL
        AND conversations.last_seq = previous.last_seq
    RETURNING id, previous.last_seq AS before, conversations.size, until
), forked AS (
    INSERT INTO conversations (
        project, id, kind, created_at, parent, parent_seq, last_seq, size, busy_with, first_expires, last_expires
    )
    SELECT $1, $17, 'chain', to_timestamp($7::float8), conversation, last_seq, last_seq + $4, history_size + $5, $16,
           until, until
    FROM previous, kept
    WHERE NOT EXISTS (SELECT FROM longer)
    RETURNING id, parent_seq AS before, size, first_expires AS until
), placed AS (
    SELECT *, $18 AS previous FROM longer UNION ALL SELECT *, $18 FROM forked
)

-- name: in_conversation
-- Continue at the end of the conversation $17, if it still has the version $18 (null: any) and no job makes a response
-- in it. The lease is ignored: where two leases followed each other, the turn that is saved first wins.
kept AS (
    SELECT coalesce($2::date + retention_days, 'infinity') AS until FROM projects WHERE id = $1
), placed AS (
    UPDATE conversations SET
        last_seq = last_seq + $4, size = conversations.size + $5, version = version + 1, busy_with = $16,
        leased_to = NULL, leased_until = NULL,
        first_expires = least(first_expires, until), last_expires = greatest(last_expires, until)
    FROM kept
    WHERE project = $1 AND id = $17 AND kind = 'conversation' AND deleted_at IS NULL
        AND version = coalesce($18, version) AND busy_with IS NULL
    RETURNING id, last_seq - $4 AS before, conversations.size, until, NULL::text AS previous
)

-- name: written
-- Write the response and its items into their position. Return their day of expiry, or no row where there is no
-- position.
response AS (
    INSERT INTO responses (
        project, id, expires_on, conversation, first_seq, last_seq, history_size, previous_response,
        status, background, model, created_at, end_user, request_id, metadata, document, exact
    )
    SELECT $1, $6, until, placed.id, before + 1, before + $4, size, previous,
           $8, $9, $10, to_timestamp($7::float8), $11, $12, $13::jsonb, $14::jsonb, $15
    FROM placed
), said AS (
    INSERT INTO items (
        project, conversation, seq, expires_on, id, response, output, at, end_user, type, role, size, document, exact,
        parts
    )
    SELECT $1, placed.id, before + n, until, item.id, $6, output, to_timestamp($7::float8), $11, type, role, item.size,
           document, decode(exact, 'base64'), parts
    FROM placed, jsonb_to_recordset($3::jsonb) AS item (
        n bigint, id text, output boolean, type text, role text, size integer, document jsonb, exact text, parts jsonb
    )
)
SELECT until FROM placed

-- name: lineage
-- Return the chains and the conversation that a response continues, the first one first, each with its last item that
-- belongs to the response ($4: without its own input). Returns no row where there is no such response.
WITH RECURSIVE named AS (
    SELECT conversation, CASE WHEN $4::bool THEN first_seq - 1 ELSE last_seq END AS last_seq, history_size, status
    FROM responses
    WHERE project = $1 AND id = $2 AND expires_on > $3::date
), lineage AS (
    SELECT 1 AS depth, conversations.id, parent, parent_seq, named.last_seq AS upto, first_expires, last_expires,
           history_size, status
    FROM named
    JOIN conversations ON conversations.project = $1 AND conversations.id = named.conversation
    UNION ALL
    SELECT depth + 1, conversations.id, conversations.parent, conversations.parent_seq, lineage.parent_seq,
           conversations.first_expires, conversations.last_expires, history_size, status
    FROM lineage
    JOIN conversations ON conversations.project = $1 AND conversations.id = lineage.parent
)
SELECT id, upto, first_expires, last_expires, history_size, status FROM lineage ORDER BY depth DESC

-- name: get
-- Return one response and its output in order: a row for each item, or one row without an item.
SELECT responses.id AS response, responses.conversation, conversations.kind, previous_response, status, background, model,
       extract(epoch FROM responses.created_at)::float8 AS created_at, responses.end_user, request_id, responses.metadata,
       responses.document AS body, responses.exact AS body_exact,
       items.id, items.type, items.role, items.document, items.exact, items.parts
FROM responses
JOIN conversations ON conversations.project = $1 AND conversations.id = responses.conversation
LEFT JOIN items ON items.project = $1 AND items.conversation = responses.conversation
    AND items.seq BETWEEN responses.first_seq AND responses.last_seq AND items.output
    AND items.expires_on BETWEEN conversations.first_expires AND conversations.last_expires
WHERE responses.project = $1 AND responses.id = $2 AND responses.expires_on > $3::date
ORDER BY items.seq

-- The input of a response is listed by one statement: WITH RECURSIVE, `input`, a comma, and one of the three queries
-- below it. Their parameters: $2 the response, $3 the day, $4 an item or null.

-- name: input
-- Return the conversations of the input, the response's own first (`depth` 1), each with its last item that belongs to
-- the input and the first item of the response's own turn (`own`); and the position of the item $4, which may occur
-- twice.
response AS (
    SELECT conversation, first_seq, last_seq FROM responses WHERE project = $1 AND id = $2 AND expires_on > $3::date
), lineage AS (
    SELECT 1 AS depth, conversations.id, parent, parent_seq, response.last_seq AS upto, response.first_seq AS own,
           greatest(first_expires, $3::date + 1) AS since, last_expires
    FROM response
    JOIN conversations ON conversations.project = $1 AND conversations.id = response.conversation
    UNION ALL
    SELECT depth + 1, conversations.id, conversations.parent, conversations.parent_seq, lineage.parent_seq,
           lineage.parent_seq + 1, greatest(conversations.first_expires, $3::date + 1), conversations.last_expires
    FROM lineage
    JOIN conversations ON conversations.project = $1 AND conversations.id = lineage.parent
), marks AS (
    SELECT depth, items.seq
    FROM lineage
    JOIN items ON items.project = $1 AND items.conversation = lineage.id AND items.id = $4::text
        AND items.seq <= upto AND (CASE WHEN items.seq < own THEN NOT removed ELSE NOT output END)
        AND items.expires_on BETWEEN since AND last_expires
)

-- name: input_up
-- List the input after the item $4 (null: from the beginning), oldest first, at most $5.
mark AS (
    SELECT depth, seq FROM marks ORDER BY depth, seq DESC LIMIT 1
)
SELECT said.id, said.type, said.role, said.document, said.exact, said.parts
FROM lineage
LEFT JOIN mark ON true
CROSS JOIN LATERAL (
    SELECT seq, items.id, type, role, document, exact, parts
    FROM items
    WHERE items.project = $1 AND items.conversation = lineage.id
        AND items.seq <= upto AND (CASE WHEN items.seq < own THEN NOT removed ELSE NOT output END)
        AND items.expires_on BETWEEN since AND last_expires
        AND items.seq > CASE WHEN $4::text IS NULL OR lineage.depth < mark.depth THEN 0
                             WHEN lineage.depth = mark.depth THEN mark.seq ELSE upto END
    ORDER BY seq
    LIMIT $5
) AS said
ORDER BY lineage.depth DESC, said.seq
LIMIT $5

-- name: input_down
-- List the input before the item $4 (null: from the end), newest first, at most $5.
mark AS (
    SELECT depth, seq FROM marks ORDER BY depth DESC, seq LIMIT 1
)
SELECT said.id, said.type, said.role, said.document, said.exact, said.parts
FROM lineage
LEFT JOIN mark ON true
CROSS JOIN LATERAL (
    SELECT seq, items.id, type, role, document, exact, parts
    FROM items
    WHERE items.project = $1 AND items.conversation = lineage.id
        AND items.seq <= upto AND (CASE WHEN items.seq < own THEN NOT removed ELSE NOT output END)
        AND items.expires_on BETWEEN since AND last_expires
        AND items.seq < CASE WHEN $4::text IS NULL OR lineage.depth > mark.depth THEN upto + 1
                             WHEN lineage.depth = mark.depth THEN mark.seq ELSE 0 END
    ORDER BY seq DESC
    LIMIT $5
) AS said
ORDER BY lineage.depth, said.seq DESC
LIMIT $5

-- name: input_exists
-- Return a row where the response exists, and whether the item $4 is part of its input.
SELECT EXISTS (SELECT FROM marks) AS item FROM response

-- name: update
-- Set the status and the body of a response that is being made. Returns no row where there is none, or where it has
-- ended.
UPDATE responses SET status = $3, document = $4::jsonb, exact = $5
WHERE project = $1 AND id = $2 AND status IN ('queued', 'in_progress')
RETURNING conversation, last_seq, expires_on, end_user

-- name: waiting
-- Return the body of a response that is still to be made, and lock it.
SELECT document, exact FROM responses WHERE project = $1 AND id = $2 AND status = 'queued' FOR UPDATE

-- name: end_making
-- Free the conversation $2, which was reserved for the response $3, and reserve numbers for $4 items of $5 bytes at its
-- end.
UPDATE conversations SET busy_with = NULL, last_seq = last_seq + $4, size = size + $5, version = version + 1
WHERE project = $1 AND id = $2 AND busy_with = $3
RETURNING last_seq - $4 AS before, size

-- name: extend
-- Set the last item of a response to $3, and its history size to $4.
UPDATE responses SET last_seq = $3, history_size = $4 WHERE project = $1 AND id = $2

-- name: delete
-- Delete a response.
DELETE FROM responses WHERE project = $1 AND id = $2
RETURNING conversation, first_seq, expires_on

-- name: free
-- Free the conversation $2, if it was reserved for the deleted response $3.
UPDATE conversations SET busy_with = NULL WHERE project = $1 AND id = $2 AND busy_with = $3

-- name: delete_hidden
-- Delete the items of the deleted response $3 that were removed from the conversation $2 before.
DELETE FROM items WHERE project = $1 AND conversation = $2 AND response = $3 AND removed
RETURNING parts, expires_on
