-- One row for each call, written in batches from a Redis stream, and idempotent by the request id.
-- There is no foreign key on purpose: spending is recorded even where the key was deleted.
CREATE TABLE ledger (
    id text PRIMARY KEY,
    at timestamptz NOT NULL,
    project text NOT NULL,
    key_id text NOT NULL,
    end_user text,
    route text NOT NULL,
    model text NOT NULL,
    served_model text,
    provider text,
    outcome text NOT NULL,
    cache text NOT NULL,
    stream boolean NOT NULL,
    input_tokens bigint NOT NULL DEFAULT 0,
    cached_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    reasoning_tokens bigint NOT NULL DEFAULT 0,
    estimated boolean NOT NULL DEFAULT false,
    cost_nanos bigint NOT NULL DEFAULT 0,
    saved_nanos bigint NOT NULL DEFAULT 0,
    latency_ms bigint NOT NULL DEFAULT 0,
    first_byte_ms bigint,
    upstream_request_id text
);

CREATE INDEX ledger_by_time ON ledger (at);
CREATE INDEX ledger_by_project ON ledger (project, at);
CREATE INDEX ledger_by_key ON ledger (key_id, at);

-- Entries that the table above cannot hold, with the reason, so that one bad entry does not block its batch.
CREATE TABLE ledger_rejected (
    id text PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now(),
    entry text NOT NULL,
    reason text NOT NULL
);
