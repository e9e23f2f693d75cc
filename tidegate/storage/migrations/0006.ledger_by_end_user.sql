-- transactional: false
-- Find an end user's entries, for reports and for `tidegate users forget`. The ledger may be large, so the index is built
-- without blocking writes. The rest of an interrupted build is removed first.
DROP INDEX CONCURRENTLY IF EXISTS ledger_by_end_user;
CREATE INDEX CONCURRENTLY ledger_by_end_user ON ledger (project, end_user) WHERE end_user IS NOT NULL;
