-- Budgets of the tags of a project's calls.

-- name: set
-- Set the columns of the tag $2 with the value $3 of the project $1 that the JSON object $4 names, and leave the others. Null
-- removes a budget. Returns no row when there is no such project.
INSERT INTO tag_budgets AS budget (project, name, value, budget_day_nanos, budget_week_nanos, budget_month_nanos)
SELECT projects.id, $2, $3, changed.budget_day_nanos, changed.budget_week_nanos, changed.budget_month_nanos
FROM projects, jsonb_populate_record(NULL::tag_budgets, $4::jsonb) AS changed
WHERE projects.id = $1
ON CONFLICT (project, name, value) DO UPDATE SET (budget_day_nanos, budget_week_nanos, budget_month_nanos) = (
    SELECT changed.budget_day_nanos, changed.budget_week_nanos, changed.budget_month_nanos
    FROM jsonb_populate_record(budget, $4::jsonb) AS changed
)
RETURNING budget_day_nanos AS budget_day, budget_week_nanos AS budget_week, budget_month_nanos AS budget_month

-- name: drop_empty
-- Delete the tags of the project $1 that have no budget.
DELETE FROM tag_budgets WHERE project = $1 AND coalesce(budget_day_nanos, budget_week_nanos, budget_month_nanos) IS NULL

-- name: count
-- Count the tags of the project $1 that have a budget, apart from the tag $2 with the value $3.
SELECT count(*) FROM tag_budgets WHERE project = $1 AND (name, value) <> ($2, $3)

-- name: find
-- Return the tags with a budget of the projects $1.
SELECT project, name, value, budget_day_nanos AS budget_day, budget_week_nanos AS budget_week, budget_month_nanos AS budget_month
FROM tag_budgets
WHERE project = ANY($1::text[])
