-- Secrets that were replaced by a rotation of their key, and the last use of every secret. The secret that a key has now
-- stays in `keys`, so older processes go on working: they reject a replaced secret at once.
CREATE TABLE replaced_secrets (
    hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    key_id text NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
    hint text NOT NULL,
    replaced_at timestamptz NOT NULL,
    stops_at timestamptz NOT NULL
);

CREATE INDEX replaced_secrets_by_key ON replaced_secrets (key_id, replaced_at);

-- apart from the keys, because it is written while calls read the keys
CREATE TABLE secret_uses (
    hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    used_at timestamptz NOT NULL
);
