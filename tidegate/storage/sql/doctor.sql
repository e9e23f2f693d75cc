-- What the doctor asks PostgreSQL.

-- name: ping
SELECT 1

-- name: now
-- Return the server's clock, in Unix seconds.
SELECT extract(epoch FROM clock_timestamp())::float8

-- name: state
-- Return the encoding, whether writes are refused, the connections for ordinary clients, and those of other programs.
SELECT current_setting('server_encoding') AS encoding,
    pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean AS read_only,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS allowed,
    (
        SELECT count(*)::int FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND application_name IS DISTINCT FROM 'tidegate'
    ) AS others

-- name: unpriced
-- Return the calls since $1 (Unix seconds) of which a price was not known, by model, the most first.
SELECT coalesce(served_model, model) AS model, count(*) AS calls FROM ledger
WHERE at >= to_timestamp($1::float8) AND unpriced
GROUP BY 1 ORDER BY calls DESC LIMIT 100

-- name: last_comparison
-- Return the comparison with a provider's costs report of the latest day.
SELECT day::text AS day, ledger_nanos, provider_nanos FROM cost_comparisons ORDER BY day DESC LIMIT 1

-- name: keep_comparison
-- Keep the comparison of the provider $1 and the day $2: the ledger's nano-dollars $3 and the provider's $4.
INSERT INTO cost_comparisons (provider, day, at, ledger_nanos, provider_nanos) VALUES ($1, $2::text::date, now(), $3, $4)
ON CONFLICT (provider, day) DO UPDATE SET at = now(), ledger_nanos = $3, provider_nanos = $4

-- name: ledger_day
-- Sum up the calls of the provider $1 that ended since $2 and before $3 (Unix seconds).
SELECT count(*) AS calls,
    coalesce(sum(cost_nanos), 0)::bigint AS cost_nanos,
    coalesce(sum(fee_nanos), 0)::bigint AS fee_nanos,
    count(*) FILTER (WHERE estimated AND outcome <> 'lost') AS estimated,
    coalesce(sum(cost_nanos) FILTER (WHERE estimated AND outcome <> 'lost'), 0)::bigint AS estimated_nanos,
    count(*) FILTER (WHERE outcome = 'lost') AS lost,
    coalesce(sum(cost_nanos) FILTER (WHERE outcome = 'lost'), 0)::bigint AS lost_nanos,
    count(*) FILTER (WHERE unpriced) AS unpriced
FROM ledger
WHERE at >= to_timestamp($2::float8) AND at < to_timestamp($3::float8)
    AND (provider = $1 OR (provider IS NULL AND cost_nanos > 0))
