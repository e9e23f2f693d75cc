-- Alerts that are given once: whoever of the replicas writes the row gives it.
CREATE TABLE alerts (
    name text PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now()
);
