ALTER TABLE keys DROP COLUMN read_only;
