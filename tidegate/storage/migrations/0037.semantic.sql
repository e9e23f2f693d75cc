-- The questions that were asked in one scope, in which words, and what was learned of them: a list of changes for each
-- scope, numbered without gaps. A scope is the hash of all that shapes an answer but the question. And one line for each
-- decision about a question, for the report.
CREATE TABLE semantic_scopes (
    scope text PRIMARY KEY,
    project text NOT NULL,
    last_number bigint NOT NULL,
    used_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE semantic_changes (
    scope text NOT NULL REFERENCES semantic_scopes ON DELETE CASCADE,
    number bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    change jsonb NOT NULL,
    end_user text,
    PRIMARY KEY (scope, number)
);
CREATE INDEX semantic_changes_by_time ON semantic_changes (at);
CREATE INDEX semantic_changes_by_end_user ON semantic_changes (end_user) WHERE end_user IS NOT NULL;

CREATE TABLE semantic_decisions (
    request_id text PRIMARY KEY,
    at timestamptz NOT NULL,
    project text NOT NULL,
    scope text NOT NULL,
    mode text NOT NULL,
    action text NOT NULL,
    answer text,
    score double precision,
    risk double precision,
    audit_share double precision,
    audited boolean NOT NULL,
    verdict boolean,
    verified boolean NOT NULL,
    compared boolean NOT NULL,
    saved_nanos bigint NOT NULL,
    question text,
    cached_question text,
    end_user text
);
CREATE INDEX semantic_decisions_by_end_user ON semantic_decisions (end_user) WHERE end_user IS NOT NULL;
CREATE INDEX semantic_decisions_by_time ON semantic_decisions (project, at);
