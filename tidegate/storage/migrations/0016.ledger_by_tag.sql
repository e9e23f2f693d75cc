-- transactional: false
-- Find the calls with a tag, for reports. The ledger may be large, so the index is built without blocking writes. The rest
-- of an interrupted build is removed first.
DROP INDEX CONCURRENTLY IF EXISTS ledger_by_tag;
CREATE INDEX CONCURRENTLY ledger_by_tag ON ledger USING gin (tags jsonb_path_ops) WHERE tags IS NOT NULL;
