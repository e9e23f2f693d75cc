-- transactional: false
-- List the newest conversations of each project. The table may be large, so the index is built without blocking writes. The
-- rest of an interrupted build is removed first.
DROP INDEX CONCURRENTLY IF EXISTS conversations_by_time;
CREATE INDEX CONCURRENTLY conversations_by_time ON conversations (project, created_at) WHERE deleted_at IS NULL;
