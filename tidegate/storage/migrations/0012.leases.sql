-- The response that is being made in a conversation, and the end of its lease, which is renewed while it is made.
-- No row is rewritten, and older processes go on working without these columns.
SET LOCAL lock_timeout = '5s';

ALTER TABLE conversations ADD COLUMN leased_to text, ADD COLUMN leased_until timestamptz;
