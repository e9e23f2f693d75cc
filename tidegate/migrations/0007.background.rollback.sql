DROP TABLE response_events;
DROP TABLE background_jobs;
DROP TABLE pgqueuer;
DROP TABLE pgqueuer_log;
DROP TABLE pgqueuer_schedules;
DROP TABLE pgqueuer_statistics;
DROP FUNCTION fn_pgqueuer_changed;
DROP TYPE pgqueuer_status;
