-- Single calls: found by an id, or listed by time. Each is a JSON object with the fields of LedgerEntry.

-- name: find
-- Return the entries of the call with the request id $1, under the ids of $2 that it may have had, or with the upstream's
-- request id $1; the latest first, at most $3.
SELECT (to_jsonb(ledger) || jsonb_build_object('at', extract(epoch FROM at)))::text AS entry
FROM ledger
WHERE id = ANY ($2::text[]) OR upstream_request_id = $1
ORDER BY at DESC, id
LIMIT $3;

-- name: receivers
-- Count the calls that received the answer of the call $1, up to $2.
SELECT count(*) FROM (SELECT FROM ledger WHERE answer_from = $1 LIMIT $2) AS received;

-- name: list
-- Return the calls since $1 and before $2 (Unix seconds), the latest first, at most $3, after the call $4 of the moment $5
-- where these are given. The filters $6 to $10 (project, key, end user, model, tags as a JSON object) are null for any.
-- The condition in braces is `failed`, or `true` for all calls.
SELECT (to_jsonb(ledger) || jsonb_build_object('at', extract(epoch FROM at)))::text AS entry
FROM ledger
WHERE at >= to_timestamp($1::double precision)
    AND at < to_timestamp($2::double precision)
    AND ($4::text IS NULL OR (at, id) < (to_timestamp($5::double precision), $4::text))
    AND ($6::text IS NULL OR project = $6)
    AND ($7::text IS NULL OR key_id = $7)
    AND ($8::text IS NULL OR end_user = $8)
    AND ($9::text IS NULL OR model = $9)
    AND ($10::text IS NULL OR tags @> $10::text::jsonb)
    AND {condition}
ORDER BY at DESC, id DESC
LIMIT $3;

-- name: failed
-- A call that failed, was refused, or was answered by a canned reply or a stale answer. A client that left is none of it.
(outcome <> 'ok' OR fallback_step IN ('stale', 'canned')) AND outcome <> 'client_disconnected'

-- name: known
-- Return whether the project $1 and the key $2 exist, or have entries; null is known.
SELECT
    $1::text IS NULL OR EXISTS (SELECT FROM projects WHERE id = $1) OR EXISTS (SELECT FROM ledger WHERE project = $1)
        AS project,
    $2::text IS NULL OR EXISTS (SELECT FROM keys WHERE id = $2) OR EXISTS (SELECT FROM ledger WHERE key_id = $2)
        AS key;
