-- Views for analysts: messages, turns and usage_daily. docs/guides/data.md describes their columns.

-- The messages that a stored completion added to its history, in order, the answers last.
CREATE FUNCTION added_messages(messages jsonb, document jsonb) RETURNS TABLE (n bigint, role text, content jsonb)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT said.n, said.message ->> 'role', said.message -> 'content'
        FROM jsonb_array_elements(messages) WITH ORDINALITY AS said (message, n)
        WHERE said.n > coalesce((
            SELECT max(past.n)
            FROM jsonb_array_elements(messages) WITH ORDINALITY AS past (message, n)
            WHERE past.message ->> 'role' = 'assistant'
        ), 0)
        UNION ALL
        SELECT jsonb_array_length(messages) + choice.n, choice.message #>> '{message,role}', choice.message #> '{message,content}'
        FROM jsonb_array_elements(document -> 'choices') WITH ORDINALITY AS choice (message, n);
    END;

CREATE VIEW messages AS
SELECT items.at, items.project, items.conversation, items.response AS turn, items.seq AS n, items.id, items.role,
       content_text(items.document -> 'content') AS text, responses.model, items.end_user, items.search AS words
FROM items
LEFT JOIN responses ON responses.project = items.project AND responses.id = items.response
    AND responses.expires_on = items.expires_on
WHERE items.type = 'message' AND NOT items.removed AND items.expires_on > current_date
UNION ALL
SELECT completions.created_at, completions.project, completions.id, completions.id, said.n,
       completions.id || '-' || (said.n - 1), said.role, content_text(said.content), completions.model,
       completions.end_user, completions.search
FROM completions
CROSS JOIN LATERAL added_messages(completions.messages, completions.document) AS said
WHERE completions.expires_on > current_date;

CREATE VIEW turns AS
SELECT responses.created_at AS at, responses.project, responses.conversation, responses.id AS turn,
       responses.previous_response AS previous, responses.status, responses.model, responses.end_user,
       responses.metadata, (
           SELECT content_text(items.document -> 'content')
           FROM items
           WHERE items.project = responses.project AND items.conversation = responses.conversation
               AND items.seq BETWEEN responses.first_seq AND responses.last_seq
               AND items.expires_on = responses.expires_on AND items.type = 'message' AND NOT items.output
           ORDER BY items.seq DESC
           LIMIT 1
       ) AS question, (
           SELECT string_agg(content_text(items.document -> 'content'), E'\n' ORDER BY items.seq)
           FROM items
           WHERE items.project = responses.project AND items.conversation = responses.conversation
               AND items.seq BETWEEN responses.first_seq AND responses.last_seq
               AND items.expires_on = responses.expires_on AND items.type = 'message' AND items.output
       ) AS answer,
       ledger.outcome, ledger.cache, ledger.input_tokens, ledger.cached_tokens, ledger.output_tokens,
       ledger.reasoning_tokens, ledger.cost_nanos * 1e-9 AS cost_usd, ledger.latency_ms, responses.request_id
FROM responses
LEFT JOIN ledger ON ledger.id = responses.request_id
WHERE responses.expires_on > current_date
UNION ALL
SELECT completions.created_at, completions.project, completions.id, completions.id, NULL, 'completed', completions.model,
       completions.end_user, completions.metadata, (
           SELECT content_text(said.content)
           FROM added_messages(completions.messages, completions.document) AS said
           WHERE said.role = 'user'
           ORDER BY said.n DESC
           LIMIT 1
       ), (
           SELECT string_agg(content_text(choice #> '{message,content}'), E'\n')
           FROM jsonb_array_elements(completions.document -> 'choices') AS choice
       ),
       ledger.outcome, ledger.cache, ledger.input_tokens, ledger.cached_tokens, ledger.output_tokens,
       ledger.reasoning_tokens, ledger.cost_nanos * 1e-9, ledger.latency_ms, completions.request_id
FROM completions
LEFT JOIN ledger ON ledger.id = completions.request_id
WHERE completions.expires_on > current_date;

CREATE VIEW usage_daily AS
SELECT (at AT TIME ZONE 'UTC')::date AS day, project, end_user, route, model,
       count(*) AS calls,
       count(*) FILTER (WHERE cache = 'hit') AS hits,
       count(*) FILTER (WHERE cache = 'joined') AS joined,
       count(*) FILTER (WHERE outcome <> 'ok') AS errors,
       sum(input_tokens) AS input_tokens,
       sum(cached_tokens) AS cached_tokens,
       sum(output_tokens) AS output_tokens,
       sum(reasoning_tokens) AS reasoning_tokens,
       sum(cost_nanos) * 1e-9 AS cost_usd,
       sum(saved_nanos) * 1e-9 AS saved_usd
FROM ledger
GROUP BY 1, 2, 3, 4, 5;

COMMENT ON VIEW messages IS 'One row for each stored message.';
COMMENT ON VIEW turns IS 'One row for each stored response or completion, with its tokens and its cost.';
COMMENT ON VIEW usage_daily IS 'Calls, tokens and cost by UTC day, project, end user, route and model; stored or not.';
