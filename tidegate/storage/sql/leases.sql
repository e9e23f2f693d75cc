-- Leases of conversations. Time is PostgreSQL's own, which all replicas share.

-- name: take
-- The conversation $2 is leased to the response $3 for $4 seconds, if nobody has it: what is known of it before its items
-- are read, else no row. Runs as tidegate_rows.
UPDATE conversations SET leased_to = $3, leased_until = clock_timestamp() + $4::float8 * interval '1 second'
WHERE project = $1 AND id = $2 AND kind = 'conversation' AND deleted_at IS NULL AND busy_with IS NULL
    AND (leased_until IS NULL OR leased_until <= clock_timestamp())
RETURNING id, version, size AS history_size, last_seq AS upto, first_expires, last_expires

-- name: give_back
-- The response $3 needs the conversation $2 no more. Runs as tidegate_rows.
UPDATE conversations SET leased_to = NULL, leased_until = NULL WHERE project = $1 AND id = $2 AND leased_to = $3

-- name: renew
-- The leases of the conversations $2 of the projects $1 to the responses $3 last for $4 seconds from now. Runs as the
-- tables' owner, for all that one process has.
UPDATE conversations SET leased_until = clock_timestamp() + $4::float8 * interval '1 second'
FROM unnest($1::text[], $2::text[], $3::text[]) AS held (project, conversation, response)
WHERE conversations.project = held.project AND id = held.conversation AND leased_to = held.response
