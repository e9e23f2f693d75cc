-- transactional: false
-- Whose lines an end user's are, for reports and for `tidegate users forget`. The ledger may be large: it is written to
-- while the index is built. What an interrupted build left is removed first.
DROP INDEX CONCURRENTLY IF EXISTS ledger_by_end_user;
CREATE INDEX CONCURRENTLY ledger_by_end_user ON ledger (project, end_user) WHERE end_user IS NOT NULL;
