-- How far down the ladder a call went: the times it was sent, and the step that answered it or failed last.
-- Lines of hits and joined calls, and those written before, have no rung.
ALTER TABLE ledger ADD COLUMN attempts bigint NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN rung text;
