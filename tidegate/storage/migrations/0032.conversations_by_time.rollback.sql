-- transactional: false
DROP INDEX CONCURRENTLY conversations_by_time;
