DROP TABLE parts;
DROP TABLE completions;
DROP TABLE responses;
DROP TABLE items;
DROP TABLE conversations;
DROP FUNCTION completion_text;
DROP FUNCTION content_text;
REVOKE SELECT (id, retention_days) ON projects FROM tidegate_rows;
ALTER TABLE projects DROP COLUMN retention_days;
-- the role belongs to the whole server, and another database may still use it
