-- How a call was answered: the number of times it was sent, and the fallback step that answered it or failed last.
-- Entries of cache hits and of joined calls, and older entries, have no step.
ALTER TABLE ledger ADD COLUMN attempts bigint NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN rung text;
