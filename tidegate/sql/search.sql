-- Messages by their words. Runs as the tables' owner, for whoever administers the gateway.

-- name: search
-- The newest $5 messages that the search $1 finds, in the project $2 and of the end user $3 (null: of all), said before $4.
-- A large text is searched in its first 16 KB. Excerpts mark what was found with the characters U+0002 and U+0003.
WITH asked AS (SELECT websearch_to_tsquery('simple', $1) AS words)
SELECT found.at, found.project, found.conversation, found.turn, found.id, found.role, found.end_user, found.model,
       ts_headline('simple', left(translate(found.text, E'\x02\x03', ''), 100000), asked.words,
                   E'StartSel=\x02, StopSel=\x03, MaxWords=30, MinWords=12') AS excerpt
FROM asked, LATERAL (
    (
        SELECT extract(epoch FROM messages.at)::float8 AS at, project, conversation, turn, id, role, end_user, model, text
        FROM messages
        WHERE messages.words @@ asked.words
            AND ($2::text IS NULL OR project = $2) AND ($3::text IS NULL OR end_user = $3)
            AND ($4::float8 IS NULL OR messages.at < to_timestamp($4))
            AND to_tsvector('simple', left(text, 100000)) @@ asked.words
        ORDER BY messages.at DESC, id DESC
        LIMIT $5
    )
) AS found
ORDER BY found.at DESC, found.id DESC
