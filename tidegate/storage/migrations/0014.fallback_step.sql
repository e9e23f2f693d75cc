-- The ledger's column `rung` gets the name that the rest of Tidegate uses, and its value `again` becomes `retry`.
SET LOCAL lock_timeout = '5s';

ALTER TABLE ledger RENAME COLUMN rung TO fallback_step;
UPDATE ledger SET fallback_step = 'retry' WHERE fallback_step = 'again';
