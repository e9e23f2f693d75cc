ALTER TABLE ledger
    DROP COLUMN cache_write_tokens,
    DROP COLUMN fee_nanos,
    DROP COLUMN unpriced;
