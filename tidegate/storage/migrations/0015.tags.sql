-- The tags of a call, as a JSON object of texts, and the budgets of a project's tags. Null is no budget; the value `*` stands
-- for each value of a name that has no row of its own.
-- No row is rewritten, and older processes go on working without the column.
-- The step fails where the ledger is in use: waiting for the lock would make all later statements wait, too.
SET LOCAL lock_timeout = '5s';

ALTER TABLE ledger ADD COLUMN tags jsonb;
-- it holds for new rows, and so no row is read now
ALTER TABLE ledger ADD CONSTRAINT tags_are_an_object CHECK (jsonb_typeof(tags) = 'object') NOT VALID;

CREATE TABLE tag_budgets (
    project text NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name text NOT NULL,
    value text NOT NULL,
    budget_day_nanos bigint CHECK (budget_day_nanos >= 0),
    budget_month_nanos bigint CHECK (budget_month_nanos >= 0),
    PRIMARY KEY (project, name, value)
);
