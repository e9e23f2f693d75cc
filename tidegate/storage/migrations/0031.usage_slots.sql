-- Sums of the ledger for each five minutes: the dashboard reads 30 days of them in milliseconds, however long the ledger is.
-- Each statement that changes the ledger notes which slots it changed; `metering/reports/usage_slots.py` sums those anew.
-- A note is a row of its own, so that writers of the ledger never wait for each other. The last 31 days are noted at once.
-- The step fails where the ledger is in use: waiting for the lock would make all later statements wait, too.
SET LOCAL lock_timeout = '5s';

CREATE TABLE usage_slots (
    slot bigint PRIMARY KEY,
    calls bigint NOT NULL,
    answered bigint NOT NULL,
    refused bigint NOT NULL,
    failed bigint NOT NULL,
    client_gone bigint NOT NULL,
    hits bigint NOT NULL,
    joined bigint NOT NULL,
    stale bigint NOT NULL,
    misses bigint NOT NULL,
    cost_nanos bigint NOT NULL,
    saved_nanos bigint NOT NULL
);

CREATE TABLE usage_slot_times (
    slot bigint NOT NULL,
    bound_ms integer NOT NULL,
    whole bigint NOT NULL,
    first_content bigint NOT NULL,
    PRIMARY KEY (slot, bound_ms)
);

CREATE TABLE usage_slot_errors (
    slot bigint NOT NULL,
    error text NOT NULL,
    target text NOT NULL,
    calls bigint NOT NULL,
    last_at timestamptz NOT NULL,
    message text,
    PRIMARY KEY (slot, error, target)
);

CREATE TABLE usage_changes (slot bigint NOT NULL);

CREATE FUNCTION note_usage_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_changes (slot) SELECT DISTINCT floor(extract(epoch FROM at) / 300)::bigint FROM changed;
    RETURN NULL;
END
$$;

CREATE TRIGGER ledger_notes_new_slots AFTER INSERT ON ledger
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_usage_changes();

CREATE TRIGGER ledger_notes_changed_slots AFTER UPDATE ON ledger
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_usage_changes();

INSERT INTO usage_changes (slot)
SELECT generate_series(
    floor(extract(epoch FROM greatest(min(at), now() - interval '31 days')) / 300)::bigint,
    floor(extract(epoch FROM max(at)) / 300)::bigint
)
FROM ledger
HAVING min(at) IS NOT NULL;
