DROP TABLE tag_budgets;
ALTER TABLE ledger DROP COLUMN tags;
