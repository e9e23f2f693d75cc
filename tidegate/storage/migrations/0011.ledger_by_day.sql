-- transactional: false
-- Find the days of usage_daily without reading the whole ledger. The ledger may be large, so the index is built without
-- blocking writes. The rest of an interrupted build is removed first.
DROP INDEX CONCURRENTLY IF EXISTS ledger_by_day;
CREATE INDEX CONCURRENTLY ledger_by_day ON ledger (((at AT TIME ZONE 'UTC')::date));
