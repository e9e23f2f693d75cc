-- Alerts that are given once, by whichever replica is the first.

-- name: claim
-- Note that the alert $1 is given; returns its name to the one who may give it, nothing to all others.
INSERT INTO alerts (name) VALUES ($1) ON CONFLICT (name) DO NOTHING RETURNING name;
