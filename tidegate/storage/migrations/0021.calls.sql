-- What an operator asks of a call: the upstream's words, the credential, the wait in the queue, whose stored answer it was,
-- and how many more refusals a line of a refused call stands for.
-- No row is rewritten, and older processes go on working without the columns.
-- The step fails where the ledger is in use: waiting for the lock would make all later statements wait, too.
SET LOCAL lock_timeout = '5s';

ALTER TABLE ledger
    ADD COLUMN credential text,
    ADD COLUMN error_text text,
    ADD COLUMN queue_ms bigint NOT NULL DEFAULT 0,
    ADD COLUMN answer_from text,
    ADD COLUMN repeats bigint NOT NULL DEFAULT 0;
