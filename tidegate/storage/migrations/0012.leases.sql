-- Which response is being made in a conversation, and until when that holds unless it is renewed.
-- Nothing is rewritten, and what does not know these columns goes on working without them.
SET LOCAL lock_timeout = '5s';

ALTER TABLE conversations ADD COLUMN leased_to text, ADD COLUMN leased_until timestamptz;
