-- Admin keys that see everything and change nothing.
-- No row is rewritten, and older processes go on working without the column.
-- The step fails where the table is in use: waiting for the lock would make all later statements wait, too.
SET LOCAL lock_timeout = '5s';

ALTER TABLE keys
    ADD COLUMN read_only boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT keys_read_only_are_admin CHECK (admin OR NOT read_only) NOT VALID;
