-- The ledger: written in batches by the drainer, read by the usage report.

-- name: insert
-- Write the entries of a JSON array ($1, UTF-8 bytes); those already written stay as they are, but that a call's own
-- line takes the place of the one that gave it up for lost.
-- A counter that an entry of another version lacks is 0.
INSERT INTO ledger (
    id, at, project, key_id, end_user, route, model, served_model, provider, outcome, cache, stream,
    input_tokens, cached_tokens, output_tokens, reasoning_tokens, estimated,
    cost_nanos, saved_nanos, latency_ms, first_byte_ms, upstream_request_id, attempts, rung
)
SELECT DISTINCT ON (id)
    id, to_timestamp(at), project, key_id, end_user, route, model, served_model, provider, outcome, cache, stream,
    coalesce(input_tokens, 0), coalesce(cached_tokens, 0), coalesce(output_tokens, 0), coalesce(reasoning_tokens, 0),
    coalesce(estimated, false), coalesce(cost_nanos, 0), coalesce(saved_nanos, 0), coalesce(latency_ms, 0),
    first_byte_ms, upstream_request_id, coalesce(attempts, 0), rung
FROM jsonb_to_recordset(convert_from($1::bytea, 'UTF8')::jsonb) AS entry (
    id text, at double precision, project text, key_id text, end_user text, route text, model text,
    served_model text, provider text, outcome text, cache text, stream boolean,
    input_tokens bigint, cached_tokens bigint, output_tokens bigint, reasoning_tokens bigint, estimated boolean,
    cost_nanos bigint, saved_nanos bigint, latency_ms bigint, first_byte_ms bigint, upstream_request_id text,
    attempts bigint, rung text
)
ORDER BY id, outcome = 'lost'
ON CONFLICT (id) DO UPDATE SET
    served_model = excluded.served_model, outcome = excluded.outcome, cache = excluded.cache,
    input_tokens = excluded.input_tokens, cached_tokens = excluded.cached_tokens,
    output_tokens = excluded.output_tokens, reasoning_tokens = excluded.reasoning_tokens,
    estimated = excluded.estimated, cost_nanos = excluded.cost_nanos, saved_nanos = excluded.saved_nanos,
    latency_ms = excluded.latency_ms, first_byte_ms = excluded.first_byte_ms,
    upstream_request_id = excluded.upstream_request_id, provider = excluded.provider,
    attempts = excluded.attempts, rung = excluded.rung
WHERE ledger.outcome = 'lost' AND excluded.outcome <> 'lost';

-- name: reject
-- Keep an entry that the ledger cannot hold: $1 its digest, $2 its text, $3 what PostgreSQL said of it.
INSERT INTO ledger_rejected (id, entry, reason) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING;

-- name: usage
-- What was used since $2 and before $3 (Unix seconds), in the project $4 or in all (null), by $1; days are UTC.
-- A key is shown with its name, if it still has one. Days come in order, all else by cost.
WITH used AS (
    SELECT
        CASE $1::text
            WHEN 'day' THEN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
            WHEN 'key' THEN key_id
            WHEN 'model' THEN model
            WHEN 'user' THEN coalesce(end_user, '')
            WHEN 'project' THEN project
            WHEN 'route' THEN route
            WHEN 'provider' THEN coalesce(provider, '')
        END AS what,
        count(*) AS calls,
        count(*) FILTER (WHERE cache = 'hit') AS hits,
        count(*) FILTER (WHERE cache = 'joined') AS joined,
        count(*) FILTER (WHERE outcome <> 'ok') AS errors,
        count(*) FILTER (WHERE estimated) AS estimated,
        sum(input_tokens) AS input_tokens,
        sum(cached_tokens) AS cached_tokens,
        sum(output_tokens) AS output_tokens,
        sum(reasoning_tokens) AS reasoning_tokens,
        sum(cost_nanos) AS cost_nanos,
        sum(saved_nanos) AS saved_nanos
    FROM ledger
    WHERE at >= to_timestamp($2::double precision)
        AND at < to_timestamp($3::double precision)
        AND ($4::text IS NULL OR project = $4)
    GROUP BY what
)
SELECT used.*, keys.name
FROM used LEFT JOIN keys ON $1 = 'key' AND keys.id = used.what
ORDER BY CASE WHEN $1 = 'day' THEN 0 ELSE cost_nanos END DESC, what;

-- name: rejected
-- How many entries the ledger could not hold.
SELECT count(*) AS rejected FROM ledger_rejected;
