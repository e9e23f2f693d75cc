-- Background jobs and the events of their streams. A job's `attempt` fences off older workers: a worker with an older
-- attempt writes nothing.

-- name: lock_project
-- Keep all others from adding a job for the project until the transaction ends.
SELECT pg_advisory_xact_lock(hashtext('background:' || $1::text))

-- name: waiting
-- Count the waiting jobs of the project $1, and return the tag of a new one of weight $2. This is start-time fair
-- queueing: the lowest tag goes next. A new job comes after the last job of its project, and not before the job that is
-- next now.
SELECT count(*) FILTER (WHERE project = $1) AS waiting,
       16 / $2::int + greatest(
           coalesce(max(queue_tag) FILTER (WHERE project = $1), 0),
           coalesce(min(queue_tag) FILTER (WHERE status = 'queued'), max(queue_tag), 0)
       ) AS tag
FROM background_jobs
WHERE status <> 'finished'

-- name: add
-- Add a job together with its first $10 events. It stays as long as its response.
INSERT INTO background_jobs (
    response_id, project, key_id, request_id, created_at, deadline, status, queue_tag, headers, body, next_event,
    expires_on
)
SELECT $1, $2, $3, $4, to_timestamp($5::float8), to_timestamp($6::float8), 'queued', $7, $8::jsonb, $9, $10,
       coalesce((SELECT max(expires_on) FROM responses WHERE project = $2 AND id = $1), 'infinity')

-- name: lock_job
-- Return a job and lock it until the transaction ends.
SELECT response_id, project, key_id, request_id, status, attempt, deaths, next_event, content_from, shown,
       extract(epoch FROM created_at)::float8 AS created_at, extract(epoch FROM deadline)::float8 AS deadline
FROM background_jobs
WHERE response_id = $1
FOR UPDATE

-- name: begin
-- Start a new attempt of a job, which ends the attempt before it.
UPDATE background_jobs
SET status = 'in_progress', attempt = attempt + 1, worker = $2, started_at = to_timestamp($3::float8),
    deaths = deaths + $4::int
WHERE response_id = $1
RETURNING attempt, headers::text AS headers, body

-- name: take_back
-- Delete the events of an attempt that no client has read.
WITH unsaid AS (DELETE FROM response_events WHERE response_id = $1 AND first >= $2)
UPDATE background_jobs SET next_event = $2, content_from = NULL WHERE response_id = $1

-- name: hand_back
-- End the attempt $2 without a result: another worker may take the job.
UPDATE background_jobs SET status = 'queued', worker = NULL, attempt = attempt + 1
WHERE response_id = $1 AND attempt = $2 AND status = 'in_progress'

-- name: append
-- Append events, of which the first has the number $3 and the last $4; $5 if they are content. Append nothing where the
-- attempt is no longer $2. Repeating it changes nothing.
WITH job AS (
    UPDATE background_jobs
    SET next_event = $4::int + 1,
        content_from = CASE WHEN $5::bool THEN least(content_from, $3::int) ELSE content_from END
    WHERE response_id = $1 AND attempt = $2 AND status = 'in_progress'
    RETURNING response_id
), written AS (
    INSERT INTO response_events (response_id, first, last, events)
    SELECT response_id, $3::int, $4::int, $6 FROM job
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM job

-- name: write
-- Append events within a transaction that has locked the job.
INSERT INTO response_events (response_id, first, last, events) VALUES ($1, $2, $3, $4)

-- name: end
-- End the job, whatever its result. No events follow.
UPDATE background_jobs
SET status = 'finished', attempt = attempt + 1, worker = NULL, headers = NULL, body = NULL, next_event = $2
WHERE response_id = $1

-- name: events
-- Return the events after the number $3, at most $4 rows, and whether the job is over.
SELECT job.status = 'finished' AS finished, job.next_event, job.content_from, job.shown, said.first, said.events
FROM background_jobs AS job
LEFT JOIN LATERAL (
    SELECT first, events FROM response_events
    WHERE response_id = job.response_id AND last > $3::int
    ORDER BY first
    LIMIT $4
) AS said ON true
WHERE job.response_id = $1 AND job.project = $2
ORDER BY said.first

-- name: show
-- Note that the events so far were read by a client: they cannot be deleted any more.
UPDATE background_jobs SET shown = true WHERE response_id = $1 AND NOT shown

-- name: attempts
-- Return the valid attempt of each of these jobs. Jobs that are over or deleted are missing.
SELECT response_id, attempt FROM background_jobs WHERE response_id = ANY($1::text[]) AND status <> 'finished'

-- name: forget_expired
-- Delete the jobs whose responses have expired.
DELETE FROM background_jobs WHERE status = 'finished' AND expires_on <= current_date

-- name: forget_log
-- Delete what the job library logged longer ago than $1.
DELETE FROM pgqueuer_log WHERE created < now() - $1::interval

-- name: open_jobs
-- List the jobs that wait or run, of the project $1 or of all projects (null), oldest first, at most $2.
SELECT response_id, project, key_id, status, attempt, deaths, worker,
       extract(epoch FROM created_at)::float8 AS created_at,
       extract(epoch FROM started_at)::float8 AS started_at,
       extract(epoch FROM deadline)::float8 AS deadline
FROM background_jobs
WHERE status <> 'finished' AND ($1::text IS NULL OR project = $1)
ORDER BY created_at, response_id
LIMIT $2
