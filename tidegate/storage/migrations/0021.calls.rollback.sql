ALTER TABLE ledger
    DROP COLUMN credential,
    DROP COLUMN error_text,
    DROP COLUMN queue_ms,
    DROP COLUMN answer_from,
    DROP COLUMN repeats;
