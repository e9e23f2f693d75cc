-- Search messages by their words. Runs as the tables' owner, for operators.

-- name: search
-- Return the newest $5 messages that match the search $1, in the project $2 and of the end user $3 (null: of all),
-- created before $4. Of a large text the first 16 KB are searched. Matches are marked in the excerpts with the
-- characters U+0002 and U+0003.
WITH asked AS (
    SELECT websearch_to_tsquery('simple', $1) AS words
), in_items AS (
    SELECT at, project, conversation, response AS turn, seq AS n, id, role, end_user, expires_on, document -> 'content' AS content
    FROM items
    WHERE search @@ (SELECT words FROM asked) AND type = 'message' AND NOT removed AND expires_on > current_date
        AND ($2::text IS NULL OR project = $2) AND ($3::text IS NULL OR end_user = $3)
        AND ($4::float8 IS NULL OR at < to_timestamp($4))
    ORDER BY at DESC, id DESC
    LIMIT $5
), in_completions AS (
    SELECT created_at AS at, project, id, end_user, model, messages, document
    FROM completions
    WHERE search @@ (SELECT words FROM asked) AND expires_on > current_date
        AND ($2::text IS NULL OR project = $2) AND ($3::text IS NULL OR end_user = $3)
        AND ($4::float8 IS NULL OR created_at < to_timestamp($4))
    ORDER BY created_at DESC, id DESC
    LIMIT $5
), found AS (
    SELECT in_items.at, in_items.project, in_items.conversation, turn, n, in_items.id, role, in_items.end_user, responses.model,
           content_text(content) AS text
    FROM in_items
    LEFT JOIN responses ON responses.project = in_items.project AND responses.id = turn
        AND responses.expires_on = in_items.expires_on
    UNION ALL
    SELECT in_completions.at, in_completions.project, in_completions.id, in_completions.id, said.n,
           in_completions.id || '-' || (said.n - 1), said.role, in_completions.end_user, in_completions.model,
           content_text(said.content)
    FROM in_completions
    CROSS JOIN LATERAL added_messages(in_completions.messages, in_completions.document) AS said
    WHERE to_tsvector('simple', left(content_text(said.content), 100000)) @@ (SELECT words FROM asked)
)
SELECT extract(epoch FROM at)::float8 AS at, project, conversation, turn, id, role, end_user, model,
       ts_headline('simple', left(translate(text, E'\x02\x03', ''), 100000), (SELECT words FROM asked),
                   E'StartSel=\x02, StopSel=\x03, MaxWords=30, MinWords=12') AS excerpt
FROM (SELECT * FROM found ORDER BY at DESC, id DESC LIMIT $5) AS newest
ORDER BY newest.at DESC, newest.id DESC
