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
-- Sum the usage since $2 and before $3 (Unix seconds), in the project $4 or in all projects (null), grouped by $1, or by
-- the value of the tag $5. Only of calls with all tags of the JSON object $6, unless that is null. Days, weeks
-- (ISO 8601) and months are those of the time zone $7. A key is shown with its name if the key still exists. Periods come
-- in order, all other groups by cost.
WITH used AS (
    SELECT
        CASE $1::text
            WHEN 'day' THEN to_char(at AT TIME ZONE $7::text, 'YYYY-MM-DD')
            WHEN 'week' THEN to_char(at AT TIME ZONE $7::text, 'IYYY-"W"IW')
            WHEN 'month' THEN to_char(at AT TIME ZONE $7::text, 'YYYY-MM')
            WHEN 'key' THEN key_id
            WHEN 'model' THEN model
            WHEN 'user' THEN coalesce(end_user, '')
            WHEN 'project' THEN project
            WHEN 'route' THEN route
            WHEN 'provider' THEN coalesce(provider, '')
            WHEN 'tag' THEN coalesce(tags ->> $5::text, '')
        END AS group_value,
        count(*) AS calls,
        count(*) FILTER (WHERE cache = 'hit') AS hits,
        count(*) FILTER (WHERE cache = 'joined') AS joined,
        count(*) FILTER (WHERE outcome <> 'ok') AS errors,
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
        AND ($4::text IS NULL OR project = $4)
        AND ($6::text IS NULL OR tags @> $6::text::jsonb)
    GROUP BY group_value
)
SELECT used.*, keys.name
FROM used LEFT JOIN keys ON $1 = 'key' AND keys.id = used.group_value
ORDER BY CASE WHEN $1 IN ('day', 'week', 'month') THEN 0 ELSE cost_nanos END DESC, group_value;

-- name: rejected
-- Count the entries that the ledger could not hold.
SELECT count(*) AS rejected FROM ledger_rejected;
