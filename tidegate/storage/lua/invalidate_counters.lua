-- invalidate_counters: ledger entries were replayed from a process's disk, so the budget counters may lack them.
--
-- The calls named have their own entries in PostgreSQL: their reservations are released, and they are not charged as lost.
-- Their cost is summed from the ledger, before a budget is spent.
--   ARGV  1 prefix   2… request ids
-- Returns 1
-- include: names
-- include: reservations
local prefix = ARGV[1]
for i = 2, #ARGV do
  local stored = reservations_pop(prefix, ':holds', ARGV[i])
  if stored then
    reservations_free(prefix, ARGV[i], stored)
  end
  redis.call('HDEL', prefix .. ':lost', ARGV[i])
end
redis.call('DEL', prefix .. ':counted', prefix .. ':counting')
return 1
