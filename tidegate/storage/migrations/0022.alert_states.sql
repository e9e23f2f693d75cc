-- The states of the three alerts, their messages until they are delivered, and the calls' figures while Redis is away.
-- The table `alerts` of 0013 stays for processes of the release before.
CREATE TABLE alert_states (
    alert text PRIMARY KEY,
    version bigint NOT NULL,
    state jsonb NOT NULL
);

-- one row at most: until when no message is sent, and the last slot of ten seconds that was judged
CREATE TABLE alert_control (
    is_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_only_row),
    muted_until timestamptz,
    judged_slot bigint NOT NULL DEFAULT 0
);

CREATE TABLE alert_messages (
    id text NOT NULL,
    channel text NOT NULL,
    message jsonb NOT NULL,
    made_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL,
    delivered_at timestamptz,
    last_error text,
    PRIMARY KEY (id, channel)
);

CREATE INDEX alert_messages_due ON alert_messages (next_at) WHERE delivered_at IS NULL;

CREATE TABLE alert_figures (
    process text PRIMARY KEY,
    shared_at timestamptz NOT NULL,
    figures bytea NOT NULL
);
