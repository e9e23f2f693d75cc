-- Items wherever they were said. All of it runs as tidegate_rows, which sees the rows of one project ($1).

-- name: named
-- The items with the ids $2, each once, as they were said last.
SELECT DISTINCT ON (id) id, type, role, document, exact, parts
FROM items
WHERE project = $1 AND id = ANY ($2::text[]) AND expires_on > $3::date AND NOT removed
ORDER BY id, at DESC
