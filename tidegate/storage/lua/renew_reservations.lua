-- renew_reservations: extend the leases of the calls of a process that is alive.
--
--   ARGV  1 prefix   2 when the leases end, Unix seconds   3… request ids
-- Returns how many of the calls still have a reservation
-- include: names
-- include: reservations
local prefix, renewed = ARGV[1], 0
for i = 3, #ARGV do
  local packed = redis.call('HGET', prefix .. ':holds', ARGV[i])
  if packed then
    redis.call('ZADD', prefix .. ':holds:due', ARGV[2], ARGV[i])
    for _, scope in ipairs(reservations_decode(packed).f) do
      redis.call('ZADD', name_of(prefix, 'flying', scope), 'XX', ARGV[2], ARGV[i])
    end
    renewed = renewed + 1
  end
end
return renewed
