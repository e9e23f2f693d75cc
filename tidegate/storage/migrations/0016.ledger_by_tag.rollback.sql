-- transactional: false
DROP INDEX CONCURRENTLY ledger_by_tag;
