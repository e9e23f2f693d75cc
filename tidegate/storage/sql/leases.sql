-- Leases of conversations. Time is PostgreSQL's, which all replicas share.

-- name: take
-- Lease the conversation $2 to the response $3 for $4 seconds, unless it is leased already. Return the conversation's
-- size, version and last item, or no row. Runs as tidegate_rows.
UPDATE conversations SET leased_to = $3, leased_until = clock_timestamp() + $4::float8 * interval '1 second'
WHERE project = $1 AND id = $2 AND kind = 'conversation' AND deleted_at IS NULL AND busy_with IS NULL
    AND (leased_until IS NULL OR leased_until <= clock_timestamp())
RETURNING id, version, size AS history_size, last_seq AS upto, first_expires, last_expires

-- name: release
-- Release the lease of the conversation $2 that the response $3 holds. Runs as tidegate_rows.
UPDATE conversations SET leased_to = NULL, leased_until = NULL WHERE project = $1 AND id = $2 AND leased_to = $3

-- name: renew
-- Renew the leases of the conversations $2 of the projects $1 to the responses $3 for $4 seconds from now: all leases
-- of one process. Runs as the tables' owner.
UPDATE conversations SET leased_until = clock_timestamp() + $4::float8 * interval '1 second'
FROM unnest($1::text[], $2::text[], $3::text[]) AS held (project, conversation, response)
WHERE conversations.project = held.project AND id = held.conversation AND leased_to = held.response
