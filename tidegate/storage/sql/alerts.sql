-- Alerts that are sent once, by the first replica that claims them.

-- name: claim
-- Claim the alert $1. Return its name to the replica that may send it, and no row to all others.
INSERT INTO alerts (name) VALUES ($1) ON CONFLICT (name) DO NOTHING RETURNING name;
