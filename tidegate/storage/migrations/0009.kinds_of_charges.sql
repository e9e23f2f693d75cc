-- What a call was charged for besides plain tokens: tokens written to the prompt cache, fees of hosted tools, and
-- whether a price was missing.
SET LOCAL lock_timeout = '5s';

ALTER TABLE ledger
    ADD COLUMN cache_write_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN fee_nanos bigint NOT NULL DEFAULT 0,
    ADD COLUMN unpriced boolean NOT NULL DEFAULT false;
