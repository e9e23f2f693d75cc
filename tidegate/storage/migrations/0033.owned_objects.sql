-- What each project made at an upstream: files, batches, vector stores. Projects share the upstream's accounts, so this table
-- tells whose an object is and which account has it. No expiry drops a row while its object exists: an object without its
-- row would be unusable, or open to all (docs/decisions/0108).
SET LOCAL lock_timeout = '5s';

CREATE TABLE owned_objects (
    id text NOT NULL,
    provider text NOT NULL,
    credential text NOT NULL,
    project text NOT NULL REFERENCES projects (id),
    kind text NOT NULL,
    created_at timestamptz NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    end_user text,
    document bytea,
    gone_at timestamptz,
    forgotten_at timestamptz,
    PRIMARY KEY (id, provider)
);
-- the pages of a project's lists; seq orders objects of one second
CREATE INDEX owned_objects_by_time ON owned_objects (project, kind, created_at, seq) WHERE gone_at IS NULL;
CREATE INDEX owned_objects_by_end_user ON owned_objects (project, end_user) WHERE end_user IS NOT NULL;
CREATE INDEX owned_objects_gone ON owned_objects (gone_at) WHERE gone_at IS NOT NULL;
CREATE INDEX owned_objects_forgotten ON owned_objects (forgotten_at) WHERE forgotten_at IS NOT NULL AND gone_at IS NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON owned_objects TO tidegate_rows;
ALTER TABLE owned_objects ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_project ON owned_objects TO tidegate_rows USING (project = current_setting('tidegate.project', true));

-- Which of these ids are recorded for other projects than that of the transaction. It tells no more about them.
CREATE FUNCTION objects_of_others(ids text[]) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
        SELECT DISTINCT id FROM owned_objects
        WHERE id = ANY (ids) AND project IS DISTINCT FROM current_setting('tidegate.project', true)
    $$;
