DROP FUNCTION completions_having;
