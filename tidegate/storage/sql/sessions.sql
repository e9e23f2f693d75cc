-- The dashboard's sessions and the tries to log in.

-- name: open
-- Store a session: the digests $1 of its token and $2 of the secret, opened at $3, until $4. Expired ones are removed.
WITH expired AS (
    DELETE FROM dashboard_sessions WHERE expires_at <= to_timestamp($3::float8)
)
INSERT INTO dashboard_sessions (token_hash, key_hash, created_at, expires_at)
VALUES ($1, $2, to_timestamp($3::float8), to_timestamp($4::float8));

-- name: find
-- Return the secret's digest and the end of the session whose token has the digest $1.
SELECT key_hash, extract(epoch FROM expires_at)::float8 AS expires_at FROM dashboard_sessions WHERE token_hash = $1;

-- name: close
-- Remove the session whose token has the digest $1.
DELETE FROM dashboard_sessions WHERE token_hash = $1;

-- name: lock_logins
-- Let other tries to log in wait for the end of this transaction, so that tries at the same time are all counted.
SELECT pg_advisory_xact_lock(hashtextextended('tidegate.dashboard_logins', 0));

-- name: forget_logins
-- Forget the tries that were made before $1.
DELETE FROM dashboard_logins WHERE at <= to_timestamp($1::float8);

-- name: count_logins
-- Count the tries from the address $1, and all tries.
SELECT count(*) FILTER (WHERE address = $1) AS of_address, count(*) AS of_all FROM dashboard_logins;

-- name: note_login
-- Note a try from the address $1 at $2; return its id.
INSERT INTO dashboard_logins (address, at) VALUES ($1, to_timestamp($2::float8)) RETURNING id;

-- name: excuse_login
-- Forget the try $1, because its key was right.
DELETE FROM dashboard_logins WHERE id = $1;
