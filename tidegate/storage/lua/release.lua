-- release: a call was admitted but never sent; release its reservation.
--
--   ARGV  1 prefix   2 request id   3 now, Unix seconds
-- Returns 1
-- include: names
-- include: reservations

reservations_release(ARGV[1], ARGV[2], tonumber(ARGV[3]))
return 1
