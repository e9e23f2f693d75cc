-- Alerts that are sent once, by the replica that inserts the row.
CREATE TABLE alerts (
    name text PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now()
);
