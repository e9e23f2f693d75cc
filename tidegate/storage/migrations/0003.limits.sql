-- Limits of keys, of projects, and of each end user of a project. NULL is no limit, 0 allows nothing.
-- No row is rewritten, and older processes go on working without these columns.
-- The step fails where a table is in use: waiting for the lock would make all later statements wait, too.
SET LOCAL lock_timeout = '5s';

ALTER TABLE projects
    ADD COLUMN rpm integer CHECK (rpm >= 0),
    ADD COLUMN rpd integer CHECK (rpd >= 0),
    ADD COLUMN tpm integer CHECK (tpm >= 0),
    ADD COLUMN concurrency integer CHECK (concurrency >= 0),
    ADD COLUMN budget_day_nanos bigint CHECK (budget_day_nanos >= 0),
    ADD COLUMN budget_month_nanos bigint CHECK (budget_month_nanos >= 0),
    ADD COLUMN user_rpm integer CHECK (user_rpm >= 0),
    ADD COLUMN user_rpd integer CHECK (user_rpd >= 0),
    ADD COLUMN user_tpm integer CHECK (user_tpm >= 0),
    ADD COLUMN user_concurrency integer CHECK (user_concurrency >= 0),
    ADD COLUMN user_budget_day_nanos bigint CHECK (user_budget_day_nanos >= 0),
    ADD COLUMN user_budget_month_nanos bigint CHECK (user_budget_month_nanos >= 0),
    ADD COLUMN priority text CHECK (priority IN ('high', 'normal', 'low'));

ALTER TABLE keys
    ADD COLUMN rpm integer CHECK (rpm >= 0),
    ADD COLUMN rpd integer CHECK (rpd >= 0),
    ADD COLUMN tpm integer CHECK (tpm >= 0),
    ADD COLUMN concurrency integer CHECK (concurrency >= 0),
    ADD COLUMN budget_day_nanos bigint CHECK (budget_day_nanos >= 0),
    ADD COLUMN budget_month_nanos bigint CHECK (budget_month_nanos >= 0),
    ADD COLUMN priority text CHECK (priority IN ('high', 'normal', 'low')),
    ADD COLUMN models text[],
    ADD COLUMN admin boolean NOT NULL DEFAULT false;
