-- Projects, and the API keys that act for them. A key's secret is never stored, only its digest.
CREATE TABLE projects (
    id text PRIMARY KEY CHECK (id <> ''),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE keys (
    id text PRIMARY KEY,
    project text NOT NULL REFERENCES projects (id),
    name text NOT NULL DEFAULT '',
    hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    hint text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
);

CREATE INDEX keys_by_project ON keys (project, created_at);
