-- Lists of completions by metadata go through the index over it. Beneath a policy PostgreSQL does not use that index,
-- because whoever is not to see a row might learn of it from an operator's error; so this runs as the tables' owner,
-- and says itself whose rows it gives.
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
