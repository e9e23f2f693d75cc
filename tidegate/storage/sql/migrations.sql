-- The schema's steps and the lock of those who apply them. Used by storage/schema/migrate.py.

-- name: encoding
-- Return the encoding in which the database stores text.
SHOW server_encoding

-- name: try_lock
-- Take the lock until the end of the transaction; return whether no other process has it. The number is "tidegate" in
-- ASCII.
SELECT pg_try_advisory_xact_lock(8388346167643173989)

-- name: stay_idle
-- Let the transaction that holds the lock wait for the steps, however soon the server ends idle ones.
SELECT set_config(name, '0', true) FROM pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')

-- name: create_records
-- Make the table of the applied steps. Its name and columns, and the version beside it, are those of yoyo, with which
-- earlier releases read and apply the steps.
CREATE TABLE IF NOT EXISTS _yoyo_migration (
    migration_hash varchar(64) PRIMARY KEY,
    migration_id varchar(255),
    applied_at_utc timestamp
);
CREATE TABLE IF NOT EXISTS _yoyo_version (version int PRIMARY KEY, installed_at_utc timestamp);
INSERT INTO _yoyo_version VALUES (2, now() AT TIME ZONE 'UTC') ON CONFLICT DO NOTHING

-- name: has_steps
-- Return whether any step was ever applied.
SELECT to_regclass('_yoyo_migration') IS NOT NULL

-- name: applied_steps
-- Return the steps that were applied.
SELECT migration_id FROM _yoyo_migration

-- name: record_step
-- Record that a step was applied: the hash of its name, and its name.
INSERT INTO _yoyo_migration (migration_hash, migration_id, applied_at_utc)
VALUES ($1, $2, now() AT TIME ZONE 'UTC')
