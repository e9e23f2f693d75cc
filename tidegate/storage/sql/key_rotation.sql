-- Rotation of API keys: the secrets that were replaced, and when each secret was last used.

-- name: lock_key
-- Return the secret of a key and whether the key can still be used, and hold back other changes of it.
SELECT hash, hint, revoked_at IS NOT NULL AS revoked,
       coalesce(expires_at <= to_timestamp($2::float8), false) AS expired
FROM keys
WHERE id = $1
FOR UPDATE

-- name: valid_replaced
-- Return the replaced secret of a key that is still valid at $2.
SELECT hash, hint
FROM replaced_secrets
WHERE key_id = $1 AND stops_at > to_timestamp($2::float8)

-- name: stop_replaced
-- Stop the replaced secrets of a key at $2; those that stopped before stay as they are.
UPDATE replaced_secrets
SET stops_at = to_timestamp($2::float8)
WHERE key_id = $1 AND stops_at > to_timestamp($2::float8)

-- name: add_replaced
-- Keep a secret that was replaced at $4, valid until $5.
INSERT INTO replaced_secrets (hash, key_id, hint, replaced_at, stops_at)
VALUES ($1, $2, $3, to_timestamp($4::float8), to_timestamp($5::float8))

-- name: remove_replaced
-- Forget a replaced secret, because it is its key's secret again.
DELETE FROM replaced_secrets WHERE hash = $1

-- name: set_secret
-- Give a key another secret: its digest and its hint.
UPDATE keys SET hash = $2, hint = $3 WHERE id = $1

-- name: note_uses
-- Note that secrets were used at $2. One that was noted less than $3 seconds before is left alone, without a lock.
INSERT INTO secret_uses (hash, used_at)
SELECT used.hash, to_timestamp($2::float8)
FROM unnest($1::bytea[]) AS used (hash)
WHERE NOT EXISTS (
    SELECT FROM secret_uses
    WHERE secret_uses.hash = used.hash
        AND secret_uses.used_at > to_timestamp($2::float8) - make_interval(secs => $3::float8)
)
ORDER BY used.hash
ON CONFLICT (hash) DO UPDATE SET used_at = greatest(secret_uses.used_at, excluded.used_at)
