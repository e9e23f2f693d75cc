UPDATE ledger SET fallback_step = 'again' WHERE fallback_step = 'retry';
ALTER TABLE ledger RENAME COLUMN fallback_step TO rung;
