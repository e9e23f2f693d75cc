ALTER TABLE keys
    DROP COLUMN rpm, DROP COLUMN rpd, DROP COLUMN tpm, DROP COLUMN concurrency,
    DROP COLUMN budget_day_nanos, DROP COLUMN budget_month_nanos,
    DROP COLUMN priority, DROP COLUMN models, DROP COLUMN admin;

ALTER TABLE projects
    DROP COLUMN rpm, DROP COLUMN rpd, DROP COLUMN tpm, DROP COLUMN concurrency,
    DROP COLUMN budget_day_nanos, DROP COLUMN budget_month_nanos,
    DROP COLUMN user_rpm, DROP COLUMN user_rpd, DROP COLUMN user_tpm, DROP COLUMN user_concurrency,
    DROP COLUMN user_budget_day_nanos, DROP COLUMN user_budget_month_nanos,
    DROP COLUMN priority;
