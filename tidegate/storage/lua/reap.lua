-- reap: calls whose process died are charged, also where nobody calls any more.
--
--   ARGV  1 prefix   2 now, Unix seconds
-- Returns 1
-- include: holds

holds_reap(ARGV[1], tonumber(ARGV[2]))
return 1
