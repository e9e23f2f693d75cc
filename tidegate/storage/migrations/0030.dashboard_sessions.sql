-- The dashboard's sessions, by the digest of their token, and the tries to log in of the last minute. A session names the
-- digest of the secret that opened it: it ends with that secret. There is no foreign key, as the secret may be a replaced
-- one, or that of the configuration.
CREATE TABLE dashboard_sessions (
    token_hash bytea PRIMARY KEY,
    key_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX dashboard_sessions_by_expiry ON dashboard_sessions (expires_at);

CREATE TABLE dashboard_logins (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address text NOT NULL,
    at timestamptz NOT NULL
);
