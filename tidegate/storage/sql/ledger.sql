-- The ledger: written in batches by the drainer, read by the usage report.

-- name: insert
-- Write the entries of a JSON array ($1, UTF-8 bytes). An entry that is already there stays as it is, with two exceptions.
-- A call's own entry replaces the one that declared the call lost. And both replace a hit: Redis wrote that, its reply
-- came too late, and the call was asked and paid after all. The entries may come in any order.
-- `metering/ledger/store.py` fills in the lists in braces from the fields of LedgerEntry: their names, their types in
-- JSON, the values (a field that an entry of another version lacks has its default), and the assignments of those that
-- a call's own entry replaces.
INSERT INTO ledger ({columns})
SELECT DISTINCT ON (id) {values}
FROM jsonb_to_recordset(convert_from($1::bytea, 'UTF8')::jsonb) AS entry ({types})
ORDER BY id, cache = 'hit', outcome = 'lost'
ON CONFLICT (id) DO UPDATE SET {replaced}
WHERE (ledger.cache = 'hit', ledger.outcome = 'lost') > (excluded.cache = 'hit', excluded.outcome = 'lost');

-- name: reject
-- Keep an entry that the ledger cannot hold: $1 its digest, $2 its text, $3 PostgreSQL's error message.
INSERT INTO ledger_rejected (id, entry, reason) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING;

-- name: usage
-- Sum the usage since $2 and before $3 (Unix seconds), grouped by the kinds in $1, at most three. A kind `tag` groups by the
-- value of the tag whose name is in $4, at the same place. Hours, days, weeks (ISO 8601) and months are those of the time
-- zone $5. The filters $6 to $10 (project, key, end user, model, tags as a JSON object) are null for any. An entry of
-- refused calls counts as often as it was repeated. A key is shown with its name if the key still exists. Periods come in
-- order, all other groups by cost. `{group_N}` is the expression `usage_group`.
WITH used AS (
    SELECT
        {group_1} AS group_1,
        {group_2} AS group_2,
        {group_3} AS group_3,
        sum(1 + repeats) AS calls,
        count(*) FILTER (WHERE cache IN ('hit', 'semantic')) AS hits,
        count(*) FILTER (WHERE cache = 'joined') AS joined,
        coalesce(sum(1 + repeats) FILTER (WHERE outcome NOT IN ('ok', 'client_disconnected')), 0) AS errors,
        count(*) FILTER (WHERE outcome = 'ok' AND fallback_step IN ('stale', 'canned')) AS degraded,
        count(*) FILTER (WHERE outcome = 'client_disconnected') AS client_gone,
        count(*) FILTER (WHERE estimated) AS estimated,
        count(*) FILTER (WHERE unpriced) AS unpriced,
        sum(input_tokens) AS input_tokens,
        sum(cached_tokens) AS cached_tokens,
        sum(cache_write_tokens) AS cache_write_tokens,
        sum(output_tokens) AS output_tokens,
        sum(reasoning_tokens) AS reasoning_tokens,
        sum(cost_nanos) AS cost_nanos,
        sum(fee_nanos) AS fee_nanos,
        sum(saved_nanos) AS saved_nanos
    FROM ledger
    WHERE at >= to_timestamp($2::double precision)
        AND at < to_timestamp($3::double precision)
        AND ($6::text IS NULL OR project = $6)
        AND ($7::text IS NULL OR key_id = $7)
        AND ($8::text IS NULL OR end_user = $8)
        AND ($9::text IS NULL OR model = $9)
        AND ($10::text IS NULL OR tags @> $10::text::jsonb)
    GROUP BY group_1, group_2, group_3
)
SELECT used.*, keys.name
FROM used LEFT JOIN keys ON keys.id = (ARRAY[group_1, group_2, group_3])[array_position($1::text[], 'key')]
ORDER BY
    CASE WHEN ($1::text[])[1] IN ('hour', 'day', 'week', 'month') THEN group_1 END,
    cost_nanos DESC, group_1, group_2, group_3;

-- name: usage_group
-- The group of an entry by the kind in place {n}; empty where there is none.
CASE ($1::text[])[{n}]
    WHEN 'hour' THEN to_char(at AT TIME ZONE $5::text, 'YYYY-MM-DD HH24:00')
    WHEN 'day' THEN to_char(at AT TIME ZONE $5::text, 'YYYY-MM-DD')
    WHEN 'week' THEN to_char(at AT TIME ZONE $5::text, 'IYYY-"W"IW')
    WHEN 'month' THEN to_char(at AT TIME ZONE $5::text, 'YYYY-MM')
    WHEN 'key' THEN key_id
    WHEN 'model' THEN model
    WHEN 'user' THEN coalesce(end_user, '')
    WHEN 'project' THEN project
    WHEN 'route' THEN route
    WHEN 'provider' THEN coalesce(provider, '')
    WHEN 'outcome' THEN outcome
    WHEN 'tag' THEN coalesce(tags ->> ($4::text[])[{n}], '')
    ELSE ''
END

-- name: rejected
-- Count the entries that the ledger could not hold.
SELECT count(*) AS rejected FROM ledger_rejected;
