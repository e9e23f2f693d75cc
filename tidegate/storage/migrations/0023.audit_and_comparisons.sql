-- Who did what. A line is added before an act, and a second row when it has ended. Neither is ever changed: the trigger refuses
-- it for every role, also for the owner of the tables. Only who may disable a trigger can take old lines away.
CREATE TABLE audit_lines (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('key', 'cli')),
    actor text NOT NULL,
    name text NOT NULL,
    address text NOT NULL,
    action text NOT NULL,
    parameters jsonb NOT NULL,
    reads_conversations boolean NOT NULL
);

CREATE INDEX audit_lines_by_time ON audit_lines (at);

CREATE TABLE audit_outcomes (
    line bigint PRIMARY KEY REFERENCES audit_lines (id),
    at timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('done', 'refused', 'failed')),
    error text,
    result text
);

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Audit lines are only added: % on % was refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER audit_lines_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_lines
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

CREATE TRIGGER audit_outcomes_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_outcomes
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

-- The ledger beside the provider's own costs report, for each UTC day that was compared.
CREATE TABLE cost_comparisons (
    provider text NOT NULL,
    day date NOT NULL,
    at timestamptz NOT NULL,
    ledger_nanos bigint NOT NULL,
    provider_nanos bigint NOT NULL,
    PRIMARY KEY (provider, day)
);
