-- The three alerts: states, messages and shared figures. Times are the caller's, in Unix seconds.

-- name: load
-- Return the states of all alerts, and until when they are muted; one row at least.
SELECT (SELECT extract(epoch FROM muted_until) FROM alert_control)::float8 AS muted_until, state::text AS state
FROM (VALUES (1)) AS one LEFT JOIN alert_states ON true;

-- name: save
-- Save the state $3 of the alert $1, unless its version $2 or a later one is there; and the message $4, of the id $5, to
-- the channels $6 at $7. Return whether it was saved.
WITH saved AS (
    INSERT INTO alert_states (alert, version, state) VALUES ($1, $2, $3::text::jsonb)
    ON CONFLICT (alert) DO UPDATE SET version = excluded.version, state = excluded.state
    WHERE alert_states.version < excluded.version
    RETURNING alert
), queued AS (
    INSERT INTO alert_messages (id, channel, message, made_at, next_at)
    SELECT $5, channel, $4::text::jsonb, to_timestamp($7), to_timestamp($7)
    FROM saved, unnest($6::text[]) AS channel
    ON CONFLICT DO NOTHING
)
SELECT count(*) = 1 FROM saved;

-- name: mute
-- Send no message until $1, or again from now on if it is null.
INSERT INTO alert_control (muted_until) VALUES (to_timestamp($1::float8))
ON CONFLICT (is_only_row) DO UPDATE SET muted_until = excluded.muted_until;

-- name: claim
-- Claim the judgement of the slot $1: return a row to the first process that does. A clock that was a minute ahead does
-- not block the others.
INSERT INTO alert_control (judged_slot) VALUES ($1)
ON CONFLICT (is_only_row) DO UPDATE SET judged_slot = excluded.judged_slot
WHERE alert_control.judged_slot < $1 OR alert_control.judged_slot > $1 + 6
RETURNING judged_slot;

-- name: share
-- Share the figures $2 of the process $1 at $3.
INSERT INTO alert_figures (process, figures, shared_at) VALUES ($1, $2, to_timestamp($3))
ON CONFLICT (process) DO UPDATE SET figures = excluded.figures, shared_at = excluded.shared_at;

-- name: shared
-- Return the figures that processes shared since $1; forget older ones.
WITH forgotten AS (DELETE FROM alert_figures WHERE shared_at < to_timestamp($1))
SELECT process, figures FROM alert_figures WHERE shared_at >= to_timestamp($1) ORDER BY shared_at DESC LIMIT 1000;

-- name: queue
-- Queue the message $2 of the id $1 to the channels $3 at $4, where it is not queued yet.
INSERT INTO alert_messages (id, channel, message, made_at, next_at)
SELECT $1, channel, $2::text::jsonb, to_timestamp($4), to_timestamp($4) FROM unnest($3::text[]) AS channel
ON CONFLICT DO NOTHING;

-- name: take
-- Take messages that are due at $1 to one of the channels $2, at most ten; no other process takes them before $3.
UPDATE alert_messages SET next_at = to_timestamp($3), attempts = attempts + 1
WHERE (id, channel) IN (
    SELECT id, channel FROM alert_messages
    WHERE delivered_at IS NULL AND next_at <= to_timestamp($1) AND channel = ANY($2::text[])
    ORDER BY next_at LIMIT 10 FOR UPDATE SKIP LOCKED
)
RETURNING id, channel, message::text AS message, attempts;

-- name: delivered
-- Note that the channel $2 accepted the message $1 at $3.
UPDATE alert_messages SET delivered_at = to_timestamp($3), last_error = NULL WHERE id = $1 AND channel = $2;

-- name: failed
-- Note that the channel $2 did not accept the message $1, for the reason $4; it is due again at $3.
UPDATE alert_messages SET next_at = to_timestamp($3), last_error = $4
WHERE id = $1 AND channel = $2 AND delivered_at IS NULL;

-- name: forget
-- Forget messages that were made before $1, and return how many of them no channel accepted.
WITH forgotten AS (DELETE FROM alert_messages WHERE made_at < to_timestamp($1) RETURNING delivered_at)
SELECT count(*) FROM forgotten WHERE delivered_at IS NULL;

-- name: deliveries
-- Return the newest messages to each channel, at most $1, or only those of the id $2.
SELECT id, channel, message::text AS message, attempts, last_error,
    extract(epoch FROM made_at)::float8 AS made_at, extract(epoch FROM delivered_at)::float8 AS delivered_at
FROM alert_messages WHERE $2::text IS NULL OR id = $2 ORDER BY made_at DESC, id, channel LIMIT $1;

-- name: spent
-- Return what was spent from $1 until $2 and since $3, and the time of the first call.
SELECT coalesce(sum(cost_nanos), 0)::bigint AS spent,
    coalesce(sum(cost_nanos) FILTER (WHERE at >= to_timestamp($3)), 0)::bigint AS recent,
    extract(epoch FROM min(at))::float8 AS first_at
FROM ledger WHERE at >= to_timestamp($1) AND at < to_timestamp($2);

-- name: spenders
-- Return the project and model pairs that spent most from $1 until $2.
SELECT project, model, sum(cost_nanos)::bigint AS spent
FROM ledger WHERE at >= to_timestamp($1) AND at < to_timestamp($2)
GROUP BY project, model ORDER BY spent DESC LIMIT 3;
