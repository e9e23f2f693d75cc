-- The audit table: who did what. Lines are only added.

-- name: begin
-- Add the line of an act that begins at $1, in Unix seconds; return its id.
INSERT INTO audit_lines (at, kind, actor, name, address, action, parameters, reads_conversations)
VALUES (to_timestamp($1::float8), $2, $3, $4, $5, $6, $7::jsonb, $8)
RETURNING id

-- name: end
-- Add how the act of the line $1 ended at $2.
INSERT INTO audit_outcomes (line, at, outcome, error, result) VALUES ($1, to_timestamp($2::float8), $3, $4, $5)

-- name: read
-- Return the newest $8 lines: of the actor $1 (id or name), with the action $2 or its first part, with a parameter or a result
-- of the value $3, with the outcome $4, from $5 until before $6 (Unix seconds), with an id below $7. Null is no condition.
SELECT line.id, extract(epoch FROM line.at)::float8 AS at, line.kind, line.actor, line.name, line.address, line.action,
    line.parameters, line.reads_conversations, coalesce(ended.outcome, 'unknown') AS outcome, ended.error, ended.result
FROM audit_lines AS line
LEFT JOIN audit_outcomes AS ended ON ended.line = line.id
WHERE ($1::text IS NULL OR line.actor = $1 OR line.name = $1)
    AND ($2::text IS NULL OR line.action = $2 OR split_part(line.action, '.', 1) = $2)
    AND (
        $3::text IS NULL OR ended.result = $3
        OR EXISTS (SELECT FROM jsonb_each_text(line.parameters) AS each WHERE each.value = $3)
    )
    AND ($4::text IS NULL OR coalesce(ended.outcome, 'unknown') = $4)
    AND ($5::float8 IS NULL OR line.at >= to_timestamp($5))
    AND ($6::float8 IS NULL OR line.at < to_timestamp($6))
    AND ($7::bigint IS NULL OR line.id < $7)
ORDER BY line.id DESC
LIMIT $8
