-- What the semantic tier learned, and what it decided. A scope's row is locked while its changes are numbered, so their
-- numbers have no gaps and become visible in order.

-- name: reserve
-- Reserve $3 numbers in the scope $1 of the project $2; return the last of them.
INSERT INTO semantic_scopes AS scopes (scope, project, last_number) VALUES ($1, $2, $3)
ON CONFLICT (scope) DO UPDATE SET last_number = scopes.last_number + $3, used_at = now()
RETURNING last_number

-- name: add
-- Add the changes $3 (JSON texts) to the scope $1, numbered from $2; they are of the end user with the digest $4.
INSERT INTO semantic_changes (scope, number, change, end_user)
SELECT $1, $2 + ordinality - 1, change::jsonb, $4 FROM unnest($3::text[]) WITH ORDINALITY AS new (change, ordinality)

-- name: read
-- Return the newest $3 changes of the scope $1 after the number $2, in order, and the scope's last number.
SELECT newest.number, newest.change, scopes.last_number FROM semantic_scopes AS scopes
LEFT JOIN LATERAL (
    SELECT number, change FROM semantic_changes WHERE scope = scopes.scope AND number > $2 ORDER BY number DESC LIMIT $3
) AS newest ON true
WHERE scopes.scope = $1
ORDER BY newest.number

-- name: answers
-- Return the answers that phrasings of the scope $1 stand for.
SELECT DISTINCT coalesce(change ->> 'answer', change -> 'known' ->> 'answer') AS answer FROM semantic_changes
WHERE scope = $1 AND change ->> 'type' IN ('alias', 'text')

-- name: forget
-- Delete what was learned in the scope $1; return how many changes there were.
WITH gone AS (DELETE FROM semantic_changes WHERE scope = $1 RETURNING 1) SELECT count(*) FROM gone

-- name: expire
-- Delete changes that are older than $1 seconds, and decisions that are older than $2 seconds.
WITH old AS (DELETE FROM semantic_decisions WHERE at < now() - make_interval(secs => $2))
DELETE FROM semantic_changes WHERE at < now() - make_interval(secs => $1)

-- name: decide
-- Add one decision.
INSERT INTO semantic_decisions (
    request_id, at, project, scope, mode, action, answer, score, risk, audit_share, audited, verdict, verified, compared,
    saved_nanos, question, cached_question, end_user
)
VALUES ($1, to_timestamp($2::float8), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ON CONFLICT (request_id) DO NOTHING

-- name: count_of_end_user
-- Count the changes and decisions of the end user with the digest $1.
SELECT (SELECT count(*) FROM semantic_changes WHERE end_user = $1)
    + (SELECT count(*) FROM semantic_decisions WHERE end_user = $1)

-- name: erase_end_user
-- Delete the changes and decisions of the end user with the digest $1; return the scopes, and how many there were in each.
WITH decisions AS (DELETE FROM semantic_decisions WHERE end_user = $1 RETURNING scope),
changes AS (DELETE FROM semantic_changes WHERE end_user = $1 RETURNING scope)
SELECT scope, count(*) AS deleted FROM (SELECT scope FROM decisions UNION ALL SELECT scope FROM changes) AS gone
GROUP BY scope

-- name: summary
-- Sum up the decisions of the project $1 since $2 (Unix seconds), by mode and action.
SELECT mode, action, count(*) AS requests, count(*) FILTER (WHERE audited) AS audited,
    count(*) FILTER (WHERE verdict) AS rightly, count(*) FILTER (WHERE NOT verdict) AS wrongly,
    coalesce(sum(saved_nanos), 0) AS saved_nanos, min(at) AS first_at
FROM semantic_decisions WHERE project = $1 AND at >= to_timestamp($2::float8)
GROUP BY mode, action ORDER BY mode, action

-- name: calls
-- Sum up the calls of verifier and judge in the project $1, whose key is $2, since $3 (Unix seconds).
SELECT route, count(*) AS calls, coalesce(sum(cost_nanos), 0) AS cost_nanos
FROM ledger WHERE project = $1 AND key_id = $2 AND at >= to_timestamp($3::float8)
GROUP BY route ORDER BY route

-- name: audits
-- Return the newest $4 answers of the project $1 that were judged; with $2, only those that were judged wrong; with $3, also
-- those that have no verdict.
SELECT request_id, extract(epoch FROM at)::float8 AS at, mode, action, score, verdict, question, cached_question, answer,
    scope
FROM semantic_decisions
WHERE project = $1 AND action <> 'ask' AND (NOT $2 OR NOT verdict) AND ($3 OR verdict IS NOT NULL)
ORDER BY semantic_decisions.at DESC LIMIT $4

-- name: report
-- Note that the answer $2 of the project $1 was wrong, in the call $3 or, if that is null, in the newest call that got it and
-- was not reported yet. Return that call, its scope and question, and the verdict of before.
WITH found AS (
    SELECT request_id, scope, question, verdict FROM semantic_decisions
    WHERE project = $1 AND answer = $2 AND mode = 'on' AND action <> 'ask' AND NOT reported
        AND ($3::text IS NULL OR request_id = $3)
    ORDER BY at DESC LIMIT 1 FOR UPDATE
)
UPDATE semantic_decisions AS decisions SET verdict = false, reported = true FROM found
WHERE decisions.request_id = found.request_id
RETURNING found.request_id, found.scope, found.question, found.verdict
