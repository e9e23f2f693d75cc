-- transactional: false
-- For usage_daily: its days are found without reading the ledger from its beginning. The ledger may be large: it is
-- written to while the index is built. What an interrupted build left is removed first.
DROP INDEX CONCURRENTLY IF EXISTS ledger_by_day;
CREATE INDEX CONCURRENTLY ledger_by_day ON ledger (((at AT TIME ZONE 'UTC')::date));
