-- transactional: false
-- Find a call by the upstream's request id, the calls that received its stored answer, and the latest failures. The ledger
-- may be large, so the indexes are built without blocking writes. The rest of an interrupted build is removed first.
DROP INDEX CONCURRENTLY IF EXISTS ledger_by_upstream_request;
CREATE INDEX CONCURRENTLY ledger_by_upstream_request ON ledger (upstream_request_id) WHERE upstream_request_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS ledger_by_answer;
CREATE INDEX CONCURRENTLY ledger_by_answer ON ledger (answer_from) WHERE answer_from IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS ledger_failures;
CREATE INDEX CONCURRENTLY ledger_failures ON ledger (at) 
    WHERE outcome <> 'ok' OR fallback_step IN ('stale', 'canned');
