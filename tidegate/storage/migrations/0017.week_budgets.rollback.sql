ALTER TABLE tag_budgets DROP COLUMN budget_week_nanos;
ALTER TABLE keys DROP COLUMN budget_week_nanos;
ALTER TABLE projects DROP COLUMN budget_week_nanos, DROP COLUMN user_budget_week_nanos;
