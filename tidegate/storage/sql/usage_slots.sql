-- Sums of the ledger for each five minutes, and what the dashboard reads of them. A slot is Unix seconds, divided by 300.

-- name: claim
-- Return whether this transaction may sum slots: one at a time does.
SELECT pg_try_advisory_xact_lock(hashtextextended('tidegate.usage_slots', 0));

-- name: take_changes
-- Take the newest $1 slots that have changed. What a statement notes later is left for the next round.
WITH taken AS (
    DELETE FROM usage_changes
    WHERE slot IN (SELECT DISTINCT slot FROM usage_changes ORDER BY slot DESC LIMIT $1)
    RETURNING slot
)
SELECT DISTINCT slot FROM taken;

-- name: sum
-- Sum the ledger's entries of the slots $1. $2 has the errors for which a call counts as answered, and $3 those for which
-- it counts as refused. An entry of refused calls counts as often as it was repeated.
INSERT INTO usage_slots
SELECT changed.slot,
       coalesce(sum(1 + repeats), 0) AS calls,
       count(*) FILTER (WHERE outcome = 'ok' OR outcome = ANY ($2::text[])) AS answered,
       coalesce(sum(1 + repeats) FILTER (WHERE outcome = ANY ($3::text[])), 0) AS refused,
       count(*) FILTER (
           WHERE outcome NOT IN ('ok', 'client_disconnected') AND outcome <> ALL ($2::text[]) AND outcome <> ALL ($3::text[])
       ) AS failed,
       count(*) FILTER (WHERE outcome = 'client_disconnected') AS client_gone,
       count(*) FILTER (WHERE cache IN ('hit', 'semantic')) AS hits,
       count(*) FILTER (WHERE cache = 'joined') AS joined,
       count(*) FILTER (WHERE cache = 'stale') AS stale,
       count(*) FILTER (WHERE cache = 'miss') AS misses,
       coalesce(sum(cost_nanos), 0) AS cost_nanos,
       coalesce(sum(saved_nanos), 0) AS saved_nanos
FROM unnest($1::bigint[]) AS changed (slot)
LEFT JOIN ledger ON at >= to_timestamp(changed.slot * 300) AND at < to_timestamp((changed.slot + 1) * 300)
GROUP BY changed.slot
HAVING count(ledger.id) > 0
ON CONFLICT (slot) DO UPDATE SET
    calls = excluded.calls, answered = excluded.answered, refused = excluded.refused, failed = excluded.failed,
    client_gone = excluded.client_gone, hits = excluded.hits, joined = excluded.joined, stale = excluded.stale,
    misses = excluded.misses, cost_nanos = excluded.cost_nanos, saved_nanos = excluded.saved_nanos;

-- name: forget_details
-- Forget the times and errors of the slots $1, which are summed anew, and everything of slots before $2.
WITH old_slots AS (DELETE FROM usage_slots WHERE slot < $2),
    old_times AS (DELETE FROM usage_slot_times WHERE slot = ANY ($1::bigint[]) OR slot < $2)
DELETE FROM usage_slot_errors WHERE slot = ANY ($1::bigint[]) OR slot < $2;

-- name: sum_times
-- Count the answered calls of the slots $1 by the least bound in $2, in milliseconds and ascending, that they do not exceed.
INSERT INTO usage_slot_times
SELECT slot, bound_ms, sum(whole), sum(first_content)
FROM unnest($1::bigint[]) AS changed (slot)
JOIN ledger ON at >= to_timestamp(changed.slot * 300) AND at < to_timestamp((changed.slot + 1) * 300) AND outcome = 'ok'
CROSS JOIN LATERAL (
    VALUES (($2::integer[])[1 + width_bucket((latency_ms - 1)::integer, $2::integer[])], 1, 0),
           (($2::integer[])[1 + width_bucket((coalesce(first_byte_ms, latency_ms) - 1)::integer, $2::integer[])], 0, 1)
) AS counted (bound_ms, whole, first_content)
GROUP BY slot, bound_ms;

-- name: sum_errors
-- Count the errors of the slots $1 by name and target, with the words of the last one: of each slot the $2 most frequent,
-- without those in $3, by which calls count as answered.
INSERT INTO usage_slot_errors
SELECT slot, error, target, calls, last_at, message
FROM (
    SELECT changed.slot, outcome AS error,
           CASE WHEN provider IS NULL THEN '' ELSE left(provider || '/' || coalesce(served_model, model), 200) END AS target,
           sum(1 + repeats) AS calls,
           max(at) AS last_at,
           left((array_agg(error_text ORDER BY at DESC))[1], 500) AS message,
           row_number() OVER (PARTITION BY changed.slot ORDER BY sum(1 + repeats) DESC) AS place
    FROM unnest($1::bigint[]) AS changed (slot)
    JOIN ledger ON at >= to_timestamp(changed.slot * 300) AND at < to_timestamp((changed.slot + 1) * 300)
        AND outcome NOT IN ('ok', 'client_disconnected') AND outcome <> ALL ($3::text[])
    GROUP BY changed.slot, error, target
) AS counted
WHERE place <= $2;

-- name: steps
-- Return the sums from the slot $1 up to the slot $2, in steps of $3 slots, in order. `at` is in Unix seconds.
SELECT slot / $3::bigint * $3::bigint * 300 AS at,
       sum(calls)::bigint AS calls, sum(answered)::bigint AS answered, sum(refused)::bigint AS refused,
       sum(failed)::bigint AS failed, sum(client_gone)::bigint AS client_gone, sum(hits)::bigint AS hits,
       sum(joined)::bigint AS joined, sum(stale)::bigint AS stale, sum(misses)::bigint AS misses,
       sum(cost_nanos)::bigint AS cost_nanos, sum(saved_nanos)::bigint AS saved_nanos
FROM usage_slots
WHERE slot BETWEEN $1 AND $2
GROUP BY 1
ORDER BY 1;

-- name: times
-- Return how many answered calls from the slot $1 up to the slot $2 lie in each bucket of times.
SELECT bound_ms, sum(whole)::bigint AS whole, sum(first_content)::bigint AS first_content
FROM usage_slot_times
WHERE slot BETWEEN $1 AND $2
GROUP BY bound_ms
ORDER BY bound_ms;

-- name: errors
-- Return the $3 most frequent errors from the slot $1 up to the slot $2.
SELECT error, target, sum(calls)::bigint AS calls, max(extract(epoch FROM last_at))::float8 AS last_at,
       (array_agg(message ORDER BY last_at DESC))[1] AS message
FROM usage_slot_errors
WHERE slot BETWEEN $1 AND $2
GROUP BY error, target
ORDER BY calls DESC, error, target
LIMIT $3;

-- name: spent
-- Return what was spent and saved since the slots of a day's begin $1, a month's begin $2 and a day ago $3; the first slot
-- with calls; and the newest entry's time.
SELECT coalesce(sum(cost_nanos) FILTER (WHERE slot >= $1), 0)::bigint AS day_nanos,
       coalesce(sum(saved_nanos) FILTER (WHERE slot >= $1), 0)::bigint AS day_saved_nanos,
       coalesce(sum(cost_nanos) FILTER (WHERE slot >= $2), 0)::bigint AS month_nanos,
       coalesce(sum(cost_nanos) FILTER (WHERE slot >= $3), 0)::bigint AS recent_nanos,
       min(slot) AS first_slot,
       (SELECT extract(epoch FROM max(at))::float8 FROM ledger) AS newest_at
FROM usage_slots
WHERE slot >= least($1, $2, $3);

-- name: size
-- Return the bytes of the whole database.
SELECT pg_database_size(current_database());
