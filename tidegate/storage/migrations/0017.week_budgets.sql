-- Budgets of a week, beside those of a day and a month. Null is no budget.
-- No row is rewritten, and older processes go on working without the columns.
-- The step fails where a table is in use: waiting for the lock would make all later statements wait, too.
SET LOCAL lock_timeout = '5s';

ALTER TABLE projects
    ADD COLUMN budget_week_nanos bigint CHECK (budget_week_nanos >= 0),
    ADD COLUMN user_budget_week_nanos bigint CHECK (user_budget_week_nanos >= 0);
ALTER TABLE keys ADD COLUMN budget_week_nanos bigint CHECK (budget_week_nanos >= 0);
ALTER TABLE tag_budgets ADD COLUMN budget_week_nanos bigint CHECK (budget_week_nanos >= 0);
