ALTER TABLE semantic_decisions DROP COLUMN reported;
