-- Lists of completions by metadata use the index on it. Under a row policy PostgreSQL does not use that index, because
-- an operator's error might reveal a hidden row. So this function runs as the tables' owner, and restricts the rows to
-- the project itself.
CREATE FUNCTION completions_having(wanted jsonb, most integer) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    SET plan_cache_mode = 'force_custom_plan' SET enable_seqscan = 'on'
    BEGIN ATOMIC
        SELECT id FROM completions
        WHERE project = current_setting('tidegate.project', true) AND metadata @> wanted
        LIMIT most;
    END;
REVOKE EXECUTE ON FUNCTION completions_having FROM PUBLIC;
GRANT EXECUTE ON FUNCTION completions_having TO tidegate_rows;
