-- renew: the flights of a process that is alive stay its own.
--
--   KEYS  the flights   ARGV  1 lease, milliseconds   2… the owner of each flight, in the order of KEYS
-- Returns how many are still owned
local kept = 0
for i, flight in ipairs(KEYS) do
  if redis.call('GET', flight) == ARGV[i + 1] then
    redis.call('PEXPIRE', flight, ARGV[1])
    kept = kept + 1
  end
end
return kept
