-- Large parts of items and messages. Everything runs as tidegate_rows, which sees the rows of one project ($1).

-- name: keep
-- Store the contents $3 under their hashes $2 until $5, used $4 times. Where a content is stored already, add to its
-- uses.
INSERT INTO parts (project, hash, expires_on, uses, data)
SELECT $1, hash, $5::date, uses, data
FROM unnest($2::bytea[], $3::bytea[], $4::bigint[]) AS given (hash, data, uses)
ORDER BY hash
ON CONFLICT (project, hash, expires_on) DO UPDATE SET uses = parts.uses + excluded.uses

-- name: read
-- Return the contents with these hashes.
SELECT DISTINCT ON (hash) hash, data FROM parts WHERE project = $1 AND hash = ANY($2::bytea[])

-- name: release
-- Subtract one use for each pair of hash and day of expiry, as often as the pair is given. Rows are locked in the same
-- order as by `keep`.
WITH given AS (
    SELECT hash, expires_on, count(*) AS times
    FROM unnest($2::bytea[], $3::date[]) AS pair (hash, expires_on)
    GROUP BY hash, expires_on
), held AS (
    SELECT hash, expires_on, times
    FROM parts
    JOIN given USING (hash, expires_on)
    WHERE project = $1
    ORDER BY hash, expires_on
    FOR UPDATE OF parts
)
UPDATE parts SET uses = uses - held.times
FROM held
WHERE parts.project = $1 AND parts.hash = held.hash AND parts.expires_on = held.expires_on

-- name: sweep
-- Delete those of these contents that have no uses left.
DELETE FROM parts WHERE project = $1 AND hash = ANY($2::bytea[]) AND uses <= 0
