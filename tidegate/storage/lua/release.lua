-- release: a call was admitted, but never went; it gives back what it held.
--
--   ARGV  1 prefix   2 request id   3 now, Unix seconds
-- include: holds

holds_release(ARGV[1], ARGV[2], tonumber(ARGV[3]))
return 1
