-- Conversations, their items, responses and stored completions, with large parts in a table of their own.
-- Policies on the role tidegate_rows separate the rows of projects. The gateway takes that role for each transaction, so
-- the policies also hold where it connects as the tables' owner or as a superuser.
-- Each row has a day of expiry, on which its whole partition is dropped (tidegate/conversations/retention.py).
SET LOCAL lock_timeout = '5s';

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tidegate_rows') THEN
        CREATE ROLE tidegate_rows NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;  -- another database of this server is being migrated
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'this user may not create the role tidegate_rows, which keeps projects apart'
            USING HINT = 'Have an administrator run: CREATE ROLE tidegate_rows NOLOGIN; GRANT tidegate_rows TO this user';
END
$$;

DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'tidegate_rows',
                       CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) THEN
        EXECUTE format('GRANT tidegate_rows TO %I', current_user);
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO tidegate_rows', current_schema());
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'this user may not take the role tidegate_rows, which keeps projects apart'
            USING HINT = 'Have an administrator run: GRANT tidegate_rows TO this user';
END
$$;

ALTER TABLE projects ADD COLUMN retention_days integer CHECK (retention_days BETWEEN 1 AND 3650);
GRANT SELECT (id, retention_days) ON projects TO tidegate_rows;

-- The text of a message's content: a string, or the texts of its parts.
CREATE FUNCTION content_text(content jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE jsonb_typeof(content)
        WHEN 'string' THEN content #>> '{}'
        WHEN 'array' THEN (
            SELECT string_agg(coalesce(part ->> 'text', part ->> 'transcript', part ->> 'refusal'), E'\n')
            FROM jsonb_array_elements(content) AS part
        )
    END;

-- The text that a stored completion added: the messages after the last one of the assistant, and the answers.
CREATE FUNCTION completion_text(messages jsonb, document jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (
        SELECT string_agg(content_text(added.content), E'\n')
        FROM (
            SELECT said.message -> 'content' AS content
            FROM jsonb_array_elements(messages) WITH ORDINALITY AS said (message, n)
            WHERE said.n > coalesce((
                SELECT max(past.n)
                FROM jsonb_array_elements(messages) WITH ORDINALITY AS past (message, n)
                WHERE past.message ->> 'role' = 'assistant'
            ), 0)
            UNION ALL
            SELECT choice #> '{message,content}'
            FROM jsonb_array_elements(document -> 'choices') AS choice
        ) AS added
    );

-- A named conversation, or a chain of responses, which has no name. Items are numbered. A chain that branches off in the
-- middle of another one has it as its parent, up to parent_seq.
CREATE TABLE conversations (
    project text NOT NULL REFERENCES projects (id),
    id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('conversation', 'chain')),
    created_at timestamptz NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    parent text,
    parent_seq bigint,
    last_seq bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0,
    size bigint NOT NULL DEFAULT 0,
    busy_with text,
    deleted_at timestamptz,
    first_expires date NOT NULL,
    last_expires date NOT NULL,
    PRIMARY KEY (project, id),
    FOREIGN KEY (project, parent) REFERENCES conversations (project, id)
);
CREATE INDEX conversations_by_parent ON conversations (project, parent, parent_seq) WHERE parent IS NOT NULL;
CREATE INDEX conversations_by_expiry ON conversations (last_expires);

CREATE TABLE items (
    project text NOT NULL,
    conversation text NOT NULL,
    seq bigint NOT NULL,
    expires_on date NOT NULL,
    id text NOT NULL,
    response text,
    output boolean NOT NULL,
    removed boolean NOT NULL DEFAULT false,
    at timestamptz NOT NULL,
    end_user text,
    type text NOT NULL,
    role text,
    size integer NOT NULL,
    document jsonb NOT NULL,
    exact bytea,
    parts jsonb,
    search tsvector GENERATED ALWAYS AS (to_tsvector('simple', left(content_text(document -> 'content'), 100000))) STORED,
    PRIMARY KEY (project, conversation, seq, expires_on),
    FOREIGN KEY (project, conversation) REFERENCES conversations (project, id)
) PARTITION BY RANGE (expires_on);
CREATE INDEX items_by_id ON items (project, id, conversation);
CREATE INDEX items_by_time ON items (project, at);
CREATE INDEX items_by_end_user ON items (project, end_user) WHERE end_user IS NOT NULL;
CREATE INDEX items_by_words ON items USING gin (search) WITH (gin_pending_list_limit = 1024);

CREATE TABLE responses (
    project text NOT NULL,
    id text NOT NULL,
    expires_on date NOT NULL,
    conversation text NOT NULL,
    previous_response text,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    history_size bigint NOT NULL,
    status text NOT NULL,
    background boolean NOT NULL DEFAULT false,
    model text NOT NULL,
    created_at timestamptz NOT NULL,
    end_user text,
    request_id text,
    metadata jsonb NOT NULL DEFAULT '{}',
    document jsonb NOT NULL,
    exact bytea,
    PRIMARY KEY (project, id, expires_on),
    FOREIGN KEY (project, conversation) REFERENCES conversations (project, id)
) PARTITION BY RANGE (expires_on);
CREATE INDEX responses_by_place ON responses (project, conversation, last_seq);
CREATE INDEX responses_by_time ON responses (project, created_at);
CREATE INDEX responses_by_end_user ON responses (project, end_user) WHERE end_user IS NOT NULL;

CREATE TABLE completions (
    project text NOT NULL REFERENCES projects (id),
    id text NOT NULL,
    expires_on date NOT NULL,
    model text NOT NULL,
    created_at timestamptz NOT NULL,
    end_user text,
    request_id text,
    metadata jsonb NOT NULL DEFAULT '{}',
    document jsonb NOT NULL,
    exact bytea,
    messages jsonb NOT NULL,
    messages_exact bytea,
    parts jsonb,
    search tsvector GENERATED ALWAYS AS (to_tsvector('simple', left(completion_text(messages, document), 100000))) STORED,
    PRIMARY KEY (project, id, expires_on)
) PARTITION BY RANGE (expires_on);
CREATE INDEX completions_by_time ON completions (project, created_at, id);
CREATE INDEX completions_by_model ON completions (project, model, created_at, id);
CREATE INDEX completions_by_end_user ON completions (project, end_user) WHERE end_user IS NOT NULL;
CREATE INDEX completions_by_metadata ON completions USING gin (metadata jsonb_path_ops);
CREATE INDEX completions_by_words ON completions USING gin (search) WITH (gin_pending_list_limit = 1024);

-- Long strings of items and messages (images, files), stored once for a project and a day of expiry, with their uses.
CREATE TABLE parts (
    project text NOT NULL REFERENCES projects (id),
    hash bytea NOT NULL,
    expires_on date NOT NULL,
    uses bigint NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (project, hash, expires_on)
) PARTITION BY RANGE (expires_on);
ALTER TABLE parts ALTER COLUMN data SET STORAGE EXTERNAL;  -- images do not compress, and trying takes a second for 32 MB

-- Rows that never expire. There is no default partition: adding another partition would have to read all of it.
CREATE TABLE items_forever PARTITION OF items FOR VALUES FROM ('infinity') TO (MAXVALUE);
CREATE TABLE responses_forever PARTITION OF responses FOR VALUES FROM ('infinity') TO (MAXVALUE);
CREATE TABLE completions_forever PARTITION OF completions FOR VALUES FROM ('infinity') TO (MAXVALUE);
CREATE TABLE parts_forever PARTITION OF parts FOR VALUES FROM ('infinity') TO (MAXVALUE);

GRANT SELECT, INSERT, UPDATE, DELETE ON conversations, items, responses, completions, parts TO tidegate_rows;

ALTER TABLE conversations ENABLE ROW LEVEL SECURITY;
ALTER TABLE items ENABLE ROW LEVEL SECURITY;
ALTER TABLE responses ENABLE ROW LEVEL SECURITY;
ALTER TABLE completions ENABLE ROW LEVEL SECURITY;
ALTER TABLE parts ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_project ON conversations TO tidegate_rows USING (project = current_setting('tidegate.project', true));
CREATE POLICY own_project ON items TO tidegate_rows USING (project = current_setting('tidegate.project', true));
CREATE POLICY own_project ON responses TO tidegate_rows USING (project = current_setting('tidegate.project', true));
CREATE POLICY own_project ON completions TO tidegate_rows USING (project = current_setting('tidegate.project', true));
CREATE POLICY own_project ON parts TO tidegate_rows USING (project = current_setting('tidegate.project', true));
