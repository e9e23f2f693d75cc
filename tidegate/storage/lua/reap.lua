-- reap: charge calls whose process died, also while no call is admitted (admit does the same).
--
--   ARGV  1 prefix   2 now, Unix seconds
-- Returns 1
-- include: names
-- include: reservations

reservations_reap(ARGV[1], tonumber(ARGV[2]))
return 1
