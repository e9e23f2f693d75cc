-- transactional: false
DROP INDEX CONCURRENTLY ledger_by_upstream_request;
DROP INDEX CONCURRENTLY ledger_by_answer;
DROP INDEX CONCURRENTLY ledger_failures;
