-- Read conversations page by page. Runs as the tables' owner, for operators.

-- name: list
-- Return the newest $3 conversations and chains of responses, of the project $1 (null: of all), created before $2 (Unix
-- seconds, null: any). Each project's newest are looked up by index.
SELECT newest.project, newest.id, newest.kind, extract(epoch FROM newest.created_at)::float8 AS created_at,
       newest.last_seq AS items, (
           SELECT left(content_text(items.document -> 'content'), 200)
           FROM items
           WHERE items.project = newest.project AND items.conversation = newest.id AND items.type = 'message'
               AND NOT items.removed AND items.expires_on > current_date
           ORDER BY items.seq
           LIMIT 1
       ) AS begins
FROM (
    SELECT found.*
    FROM projects
    CROSS JOIN LATERAL (
        SELECT project, id, kind, created_at, last_seq
        FROM conversations
        WHERE project = projects.id AND deleted_at IS NULL AND last_expires > current_date
            AND ($2::float8 IS NULL OR created_at < to_timestamp($2))
        ORDER BY created_at DESC
        LIMIT $3
    ) AS found
    WHERE $1::text IS NULL OR projects.id = $1
    ORDER BY found.created_at DESC
    LIMIT $3
) AS newest
ORDER BY newest.created_at DESC, newest.id;

-- name: find
-- Return the conversation or completion with the id $1, in the project $2 (null: in any); each project is looked up by index.
SELECT found.*
FROM projects
CROSS JOIN LATERAL (
    SELECT project, id, kind, extract(epoch FROM created_at)::float8 AS created_at, parent, parent_seq
    FROM conversations
    WHERE project = projects.id AND id = $1 AND deleted_at IS NULL
    UNION ALL
    SELECT project, id, 'completion', extract(epoch FROM created_at)::float8, NULL, NULL
    FROM completions
    WHERE project = projects.id AND id = $1 AND expires_on > current_date
) AS found
WHERE $2::text IS NULL OR projects.id = $2
LIMIT 1;

-- name: items
-- Return the items of the conversation $2 of the project $1 after the number $3, at most $4, each with $5 characters of text.
SELECT seq AS n, id, type, role, output, at, end_user, left(text, $5) AS text, length(text) > $5 AS is_cut
FROM (
    SELECT seq, id, type, role, output, extract(epoch FROM at)::float8 AS at, end_user,
           coalesce(nullif(content_text(document -> 'content'), ''), document::text) AS text
    FROM items
    WHERE project = $1 AND conversation = $2 AND seq > $3 AND NOT removed AND expires_on > current_date
    ORDER BY seq
    LIMIT $4
) AS page
ORDER BY seq;

-- name: messages
-- Return the messages that the completion $2 of the project $1 added after the number $3, as `items` does.
SELECT n, id, type, role, output, at, end_user, left(text, $5) AS text, length(text) > $5 AS is_cut
FROM (
    SELECT said.n, completions.id || '-' || (said.n - 1) AS id, 'message' AS type, said.role,
           said.n > jsonb_array_length(completions.messages) AS output,
           extract(epoch FROM completions.created_at)::float8 AS at, completions.end_user,
           coalesce(content_text(said.content), '') AS text
    FROM completions
    CROSS JOIN LATERAL added_messages(completions.messages, completions.document) AS said
    WHERE completions.project = $1 AND completions.id = $2 AND said.n > $3 AND completions.expires_on > current_date
    ORDER BY said.n
    LIMIT $4
) AS page
ORDER BY n;
